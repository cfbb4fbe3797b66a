-- $1 state, "unresolved" or null  $2 kind or null  $3 device_id or null  $4 before alarm_id  $5 most rows
select alarm_id, kind, subject, device_id, severity, raised_at, last_at, count, state, snoozed_until,
       acknowledged_by, acknowledged_at, resolved_by, resolved_at, reason, ids
from api.alarms
where ($1::text is null or state = $1::text or ($1::text = 'unresolved' and state <> 'resolved'))
  and ($2::text is null or kind = $2::text)
  and ($3::text is null or device_id = $3::text)
  and alarm_id < $4::bigint
order by alarm_id desc
limit $5::bigint
