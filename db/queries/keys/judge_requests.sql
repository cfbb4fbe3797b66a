-- $1 cards  $2 key names
-- One read answers any number of requests; nothing is locked and nothing is written.
select w.number, p.person_id, p.active, k.key_id, k.cabinet, k.slot, r.person_id is not null as has_right,
       l.loan_id is not null as is_out, l.person_id as holder_id
from unnest($1::text[], $2::text[]) with ordinality as w (card, key, number)
left join accounts.card_holders p on p.card = w.card
left join keys.keys k on k.name = w.key
left join keys.rights r on r.person_id = p.person_id and r.key_id = k.key_id
left join keys.loans l on l.key_id = k.key_id and l.closed_at is null
