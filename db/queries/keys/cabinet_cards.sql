-- $1 cabinet  $2 most rows
-- Every card of every active person who may take a key that lives there.
select k.key_id, h.card
from keys.keys k
join keys.rights r using (key_id)
join accounts.card_holders h using (person_id)
where k.cabinet = $1 and h.active
limit $2::bigint
