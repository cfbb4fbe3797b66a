-- $1 person_id or null  $2 key_id or null  $3 after person_id  $4 after key_id  $5 most rows
select person_id, key_id, granted_at, granted_by, key_name, full_name
from api.rights
where ($1::bigint is null or person_id = $1::bigint)
  and ($2::bigint is null or key_id = $2::bigint)
  and (person_id, key_id) > ($3::bigint, $4::bigint)
order by person_id, key_id
limit $5::bigint
