-- $1 alarm_id  $2 by  $3 now
update runtime.alarms a
set state = 'acknowledged', acknowledged_by = coalesce(a.acknowledged_by, $2),
    acknowledged_at = coalesce(a.acknowledged_at, $3::timestamptz)
where a.alarm_id = $1::bigint and a.state <> 'resolved'
returning a.alarm_id, a.kind, a.subject, a.device_id
