-- $1 device_ids  $2 numbers seen
-- (The limit is more than a device can have open; it has the inner look go by device.)
select c.command_id, c.device_id, c.number, c.kind, c.content, c.state, c.made_at, c.expires_at, c.sent_at, c.sendings,
       c.send_after, c.overdue_at, c.accepted_at, c.finished_at, c.rc, c.note
from unnest($1::text[], $2::bigint[]) as w (device_id, number),
     lateral (select o.command_id
              from runtime.commands o
              where o.device_id = w.device_id and o.number > w.number and o.state = 'accepted'
              order by o.number
              limit 100) as f
join runtime.commands c on c.command_id = f.command_id
where c.state = 'accepted'
order by c.command_id
for update of c
