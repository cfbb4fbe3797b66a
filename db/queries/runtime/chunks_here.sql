-- $1 device_ids  $2 names  $3 first indexes  $4 how many indexes
select c.device_id, c.name, c.index
from unnest($1::text[], $2::text[], $3::integer[]) as w (device_id, name, first)
join runtime.upload_chunks c on c.device_id = w.device_id and c.name = w.name
                            and c.index >= w.first and c.index < w.first + $4::integer
order by c.device_id, c.name, c.index
