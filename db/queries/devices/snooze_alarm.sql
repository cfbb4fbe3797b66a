-- $1 alarm_id  $2 until
update runtime.alarms a
set state = 'snoozed', snoozed_until = $2::timestamptz
where a.alarm_id = $1::bigint and a.state <> 'resolved'
returning a.alarm_id, a.kind, a.subject, a.device_id
