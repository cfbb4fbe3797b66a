-- $1 now  $2 the new start was first heard of
-- The broker has started anew: nobody is connected until a birth says so. Whoever has spoken since we know of it, has
-- spoken to the new one.
update devices.presence p
set state = 'unknown', since = $1::timestamptz, left_at = $1::timestamptz,
    away_at = case when d.active then $1::timestamptz + d.away_s * interval '1 s' end
from (select o.device_id
      from devices.presence o
      left join devices.heard h on h.device_id = o.device_id
      where o.state = 'online' and greatest(h.heard_at, o.since) <= $2::timestamptz
      order by o.device_id
      for update of o) s
join devices.devices d on d.device_id = s.device_id
where p.device_id = s.device_id
