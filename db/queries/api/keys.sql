-- $1 after key_id  $2 most rows  $3 name or null
select key_id, name, room, tag, cabinet, slot, created_at, loan_id, holder_id
from api.keys
where key_id > $1::bigint and ($3::text is null or name = $3::text)
order by key_id
limit $2::bigint
