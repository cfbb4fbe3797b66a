-- $1 device_ids  $2 cns  $3 since
-- A will of an older connection is stale and changes nothing.
update devices.presence p
set state = 'offline', since = $3::timestamptz
from unnest($1::text[], $2::bigint[]) as n (device_id, cn)
where p.device_id = n.device_id and p.cn = n.cn and p.state <> 'offline'
returning p.device_id
