-- $1 alarm_id  $2 by  $3 reason  $4 now
update runtime.alarms a
set state = 'resolved', resolved_by = $2, reason = $3, resolved_at = $4::timestamptz
where a.alarm_id = $1::bigint and a.state <> 'resolved'
returning a.alarm_id, a.kind, a.subject, a.device_id
