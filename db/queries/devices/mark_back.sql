-- $1 device_ids  $2 cns  $3 since
-- Heard again on the connection that had fallen silent. (Unknown is told by what it is not: told by its name, a plan
-- would walk through the index by state.)
update devices.presence p
set state = 'online', since = $3::timestamptz, left_at = null, away_at = null
from unnest($1::text[], $2::bigint[]) as n (device_id, cn)
where p.device_id = n.device_id and p.cn = n.cn and p.state <> 'online' and p.state <> 'offline'
returning p.device_id
