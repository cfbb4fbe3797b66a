-- $1 device_id
select device_id, name, active, created_at, state, since, firmware, epoch, acked
from api.devices
where device_id = $1
