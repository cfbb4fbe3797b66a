-- $1 now  $2 most rows
select c.command_id, c.device_id, c.number, c.kind, c.content, c.state, c.made_at, c.expires_at, c.sent_at, c.sendings,
       c.send_after, c.overdue_at, c.accepted_at, c.finished_at, c.rc, c.note
from runtime.commands c
where c.state in ('queued', 'sent', 'accepted') and c.overdue_at <= $1::timestamptz
order by c.overdue_at
limit $2::bigint
for update of c skip locked
