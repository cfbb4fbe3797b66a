-- $1 device_ids
-- What was queued under numbers that the device has left behind goes on above them, in the same order.
update runtime.commands c
set number = n.last + o.place
from runtime.command_numbers n,
     lateral (select q.command_id, row_number() over (order by q.number) as place
              from runtime.commands q
              where q.device_id = n.device_id and q.state = 'queued') as o
where n.device_id = any ($1::text[]) and c.command_id = o.command_id
returning c.device_id, c.number
