-- $1 rollout_id  $2 device_ids  $3 states  $4 now
update devices.rollout_devices r
set state = n.state, ended_at = $4::timestamptz
from unnest($2::text[], $3::text[]) as n (device_id, state)
where r.rollout_id = $1 and r.device_id = n.device_id
