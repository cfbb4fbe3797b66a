-- $1 device_id  $2 since  $3 to be raised when it stays away
-- Whoever it was is gone, and nothing that comes from there later counts: no connection has the number 0.
update devices.presence p
set state = 'offline', cn = 0, since = case when p.state = 'offline' then p.since else $2::timestamptz end,
    left_at = coalesce(p.left_at, $2::timestamptz),
    away_at = case when $3::boolean
                   then coalesce(p.left_at, $2::timestamptz) + d.away_s * interval '1 s' end
from devices.devices d
where p.device_id = $1 and d.device_id = $1
