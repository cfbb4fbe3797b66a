-- $1 device_id  $2 direction  $3 name  $4 version, 0 = the newest
select device_id, direction, name, version, sha256, bytes, made_at
from api.documents
where device_id = $1 and direction = $2 and name = $3 and ($4::bigint = 0 or version = $4::bigint)
order by version desc
limit 1
