-- $1 device_id  $2 before epoch  $3 before first  $4 most rows
select device_id, epoch, first, last, why, noticed_at
from api.device_gaps
where device_id = $1 and (epoch, first) < ($2::bigint, $3::bigint)
order by epoch desc, first desc
limit $4::bigint
