-- $1 person_ids  $2 key_ids  $3 granted_at  $4 granted_by
insert into keys.rights (person_id, key_id, granted_at, granted_by)
select n.person_id, n.key_id, $3::timestamptz, $4
from unnest($1::bigint[], $2::bigint[]) as n (person_id, key_id)
on conflict do nothing
returning person_id, key_id
