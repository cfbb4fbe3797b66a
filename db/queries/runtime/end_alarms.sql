-- $1 kinds  $2 subjects  $3 now
update runtime.alarms a
set state = 'resolved', resolved_by = 'handlers', resolved_at = $3::timestamptz, reason = 'over'
from unnest($1::text[], $2::text[]) as n (kind, subject)
where a.kind = n.kind and a.subject = n.subject and a.state <> 'resolved'
returning a.alarm_id, a.kind, a.subject, a.device_id
