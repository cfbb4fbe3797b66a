-- $1 alarm_id
select alarm_id from runtime.alarms where alarm_id = $1::bigint
