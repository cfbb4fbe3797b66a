-- $1 device_ids  $2 at
insert into devices.telemetry (device_id, at, rssi, uptime_s, content, hourly)
select h.device_id, $2::timestamptz, h.rssi, h.uptime_s, h.content,
       coalesce((select false from devices.telemetry t
                 where t.device_id = h.device_id and t.at >= date_trunc('hour', $2::timestamptz)
                   and t.at <= $2::timestamptz
                 limit 1), true)
from devices.heard h
where h.device_id = any ($1::text[])
on conflict do nothing
