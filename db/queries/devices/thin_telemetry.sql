-- $1 older than  $2 most rows
delete from devices.telemetry
where (device_id, at) in (select device_id, at from devices.telemetry
                          where at < $1::timestamptz and not hourly
                          limit $2::bigint)
