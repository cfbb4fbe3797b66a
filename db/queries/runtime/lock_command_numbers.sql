-- $1 device_ids, each once
-- The row is the lock: whoever gives out numbers of a device waits here for whoever does so already.
insert into runtime.command_numbers as n (device_id)
select d.device_id
from (select w.device_id from unnest($1::text[]) as w (device_id) order by w.device_id) as d
on conflict (device_id) do update set last = n.last
returning n.device_id, n.last
