-- $1 alarm_id
select alarm_id, kind, subject, device_id, severity, raised_at, last_at, count, state, snoozed_until,
       acknowledged_by, acknowledged_at, resolved_by, resolved_at, reason, ids
from api.alarms
where alarm_id = $1::bigint
