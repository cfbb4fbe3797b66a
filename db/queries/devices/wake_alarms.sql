-- $1 now  $2 most rows
update runtime.alarms a
set state = 'open'
where a.alarm_id in (select s.alarm_id from runtime.alarms s
                     where s.state = 'snoozed' and s.snoozed_until <= $1::timestamptz
                     order by s.snoozed_until
                     limit $2::bigint
                     for update skip locked)
returning a.alarm_id, a.kind, a.subject, a.device_id
