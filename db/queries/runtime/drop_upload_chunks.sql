-- $1 device_ids  $2 names
delete from runtime.upload_chunks c
using unnest($1::text[], $2::text[]) as n (device_id, name)
where c.device_id = n.device_id and c.name = n.name
