-- $1 device_ids
select device_id, cn, epoch, acked, recent_first, recent_digests, boot, booted_at, skipped, born_ms
from runtime.cursors
where device_id = any ($1::text[])
