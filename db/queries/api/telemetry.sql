-- $1 device_id  $2 before  $3 most rows
select at, rssi, uptime_s, content
from api.telemetry
where device_id = $1 and at < $2::timestamptz
order by at desc
limit $3::bigint
