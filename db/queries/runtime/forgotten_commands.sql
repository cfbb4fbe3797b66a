-- $1 device_ids  $2 numbers seen
select c.command_id, c.device_id, c.number, c.kind, c.content, c.state, c.made_at, c.expires_at, c.sent_at, c.sendings,
       c.send_after, c.overdue_at, c.accepted_at, c.finished_at, c.rc, c.note
from unnest($1::text[], $2::bigint[]) as w (device_id, number)
join runtime.commands c on c.device_id = w.device_id and c.number > w.number
where c.state = 'accepted'
order by c.command_id
for update of c
