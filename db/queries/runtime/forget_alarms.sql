-- $1 older than  $2 most rows
delete from runtime.alarms
where alarm_id in (select alarm_id from runtime.alarms
                   where resolved_at < $1::timestamptz
                   limit $2::bigint)
