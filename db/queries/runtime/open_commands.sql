-- $1 device_id
select c.command_id, c.device_id, c.number, c.kind, c.content, c.state, c.made_at, c.expires_at, c.sent_at, c.sendings,
       c.send_after, c.overdue_at, c.accepted_at, c.finished_at, c.rc, c.note
from runtime.commands c
where c.device_id = $1 and c.state in ('queued', 'sent', 'accepted')
order by c.command_id
for update of c
