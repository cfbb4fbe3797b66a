-- $1 device_ids
select device_id, name, encode(sha256, 'hex') as sha256, bytes, state, total, chunk_bytes, have, asked_last, ask_after,
       asks, failures, day, day_bytes
from runtime.uploads
where device_id = any ($1::text[])
order by device_id, name
for update
