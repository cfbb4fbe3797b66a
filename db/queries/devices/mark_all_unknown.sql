-- $1 now
-- The broker has started anew: nobody is connected until a birth says so.
update devices.presence p
set state = 'unknown', since = $1::timestamptz, left_at = $1::timestamptz,
    away_at = $1::timestamptz + d.away_s * interval '1 s'
from (select o.device_id from devices.presence o where o.state = 'online' order by o.device_id for update) s
join devices.devices d on d.device_id = s.device_id
where p.device_id = s.device_id
