-- $1 device_id
select name, sha256, bytes, state, total, have, failures, changed_at
from api.uploads
where device_id = $1
order by name
