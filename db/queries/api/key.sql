-- $1 key_id
select key_id, name, room, tag, cabinet, slot, created_at, loan_id, holder_id
from api.keys
where key_id = $1::bigint
