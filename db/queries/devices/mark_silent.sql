-- $1 now  $2 most rows  $3 we have listened since
-- The lease of whoever was online is over. What was heard is written at most once in 1.2 heartbeats: 3.7 from there
-- are at least 2.5 of silence. What nobody could have heard is nobody's silence. A revoked device is not missed.
update devices.presence p
set state = 'unknown', since = $1::timestamptz, left_at = $1::timestamptz,
    away_at = case when d.active then $1::timestamptz + d.away_s * interval '1 s' end
from (select o.device_id
      from devices.presence o
      left join devices.heard h on h.device_id = o.device_id
      where o.state = 'online'
        and greatest(h.heard_at, o.since, $3::timestamptz) + o.heartbeat_s * interval '3.7 s' < $1::timestamptz
      order by o.device_id
      limit $2::bigint
      for update of o skip locked) s
join devices.devices d on d.device_id = s.device_id
where p.device_id = s.device_id
returning p.device_id, p.cn
