-- $1 most rows
select device_id, epoch, first, last, why, noticed_at
from api.device_gaps
order by noticed_at desc, device_id, epoch, first
limit $1::bigint
