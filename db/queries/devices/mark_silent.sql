-- $1 now  $2 most rows
-- The lease of whoever was online and has not been heard for two and a half heartbeats is over.
update devices.presence p
set state = 'unknown', since = $1::timestamptz, left_at = $1::timestamptz,
    away_at = $1::timestamptz + d.away_s * interval '1 s'
from (select o.device_id
      from devices.presence o
      left join devices.heard h on h.device_id = o.device_id
      where o.state = 'online'
        and greatest(h.heard_at, o.since) + o.heartbeat_s * interval '2.5 s' < $1::timestamptz
      order by o.device_id
      limit $2::bigint
      for update of o skip locked) s
join devices.devices d on d.device_id = s.device_id
where p.device_id = s.device_id
returning p.device_id, p.cn
