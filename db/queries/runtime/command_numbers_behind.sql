-- $1 device_ids  $2 numbers seen
select w.device_id, w.number
from unnest($1::text[], $2::bigint[]) as w (device_id, number)
left join runtime.command_numbers n on n.device_id = w.device_id
where w.number > coalesce(n.last, 0)
order by w.device_id
