-- $1 device_ids  $2 lasts
update runtime.command_numbers c
set last = n.last
from unnest($1::text[], $2::bigint[]) as n (device_id, last)
where c.device_id = n.device_id
