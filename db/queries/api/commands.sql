-- $1 device_id or null  $2 state or null  $3 before command_id  $4 most rows
select command_id, device_id, number, kind, content, state, made_at, made_by, expires_at, sent_at, sendings,
       accepted_at, finished_at, rc, note
from api.commands
where ($1::text is null or device_id = $1::text)
  and ($2::text is null or state = $2::text)
  and command_id < $3::bigint
order by command_id desc
limit $4::bigint
