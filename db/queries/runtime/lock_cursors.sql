-- $1 device_ids
-- A device whose cursor another handler holds is left out: its batch is repeated by the device.
select device_id, cn, epoch, acked, recent_first, recent_digests, boot, booted_at, skipped, born_ms
from runtime.cursors
where device_id = any ($1::text[])
order by device_id
for update skip locked
