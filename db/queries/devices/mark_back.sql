-- $1 device_ids  $2 cns  $3 since
-- Heard again on the connection that had fallen silent.
update devices.presence p
set state = 'online', since = $3::timestamptz, left_at = null, away_at = null
from unnest($1::text[], $2::bigint[]) as n (device_id, cn)
where p.device_id = n.device_id and p.cn = n.cn and p.state = 'unknown'
returning p.device_id
