-- $1 device_ids  $2 cns  $3 since
-- A will of an older connection is stale and changes nothing.
update devices.presence p
set state = 'offline', since = $3::timestamptz, left_at = coalesce(p.left_at, $3::timestamptz),
    away_at = case when p.left_at is null then $3::timestamptz + d.away_s * interval '1 s' else p.away_at end
from unnest($1::text[], $2::bigint[]) as n (device_id, cn)
join devices.devices d using (device_id)
where p.device_id = n.device_id and p.cn = n.cn and p.state <> 'offline'
returning p.device_id
