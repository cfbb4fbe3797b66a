-- $1 command_id
select command_id, device_id, number, kind, content, state, made_at, made_by, expires_at, sent_at, sendings,
       accepted_at, finished_at, rc, note
from api.commands
where command_id = $1::bigint
