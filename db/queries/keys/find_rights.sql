-- $1 person_ids  $2 key_ids
select r.person_id, r.key_id
from unnest($1::bigint[], $2::bigint[]) as w (person_id, key_id)
join keys.rights r using (person_id, key_id)
