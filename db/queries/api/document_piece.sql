-- $1 device_id  $2 direction  $3 name  $4 version  $5 offset  $6 most bytes
select substring(content from $5::integer + 1 for $6::integer) as piece
from api.document_contents
where device_id = $1 and direction = $2 and name = $3 and version = $4::bigint
