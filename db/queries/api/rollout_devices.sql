-- $1 rollout_id  $2 after device_id  $3 most rows
select device_id, state, from_version, offered_at, ended_at
from api.rollout_devices
where rollout_id = $1::bigint and device_id > $2
order by device_id
limit $3::bigint
