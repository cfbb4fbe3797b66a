-- $1 after device_id  $2 most rows
select device_id, name, active, created_at, state, since, firmware, epoch, acked
from api.devices
where device_id > $1
order by device_id
limit $2::bigint
