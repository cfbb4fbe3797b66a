-- $1 device_ids  $2 names  $3 indexes  $4 contents
insert into runtime.upload_chunks (device_id, name, index, content)
select n.device_id, n.name, n.index, n.content
from unnest($1::text[], $2::text[], $3::integer[], $4::bytea[]) as n (device_id, name, index, content)
on conflict do nothing
