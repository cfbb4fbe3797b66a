-- $1 overdue from
select count(*) as open
from runtime.commands
where state in ('queued', 'sent', 'accepted') and overdue_at >= $1::timestamptz
