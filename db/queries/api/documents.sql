-- $1 device_id
select device_id, direction, name, version, sha256, bytes, made_at
from api.documents
where device_id = $1
order by direction, name, version desc
