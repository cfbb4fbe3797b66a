-- $1 device_ids  $2 names  $3 versions, 0 = the present one  $4 chunk indexes or null  $5 bytes around a chunk
-- $6 most bytes of a chunk
-- Content is stored uncompressed and cut here: a chunk costs its own pages, however large the document is.
select w.number, d.version, encode(d.sha256, 'hex') as sha256, d.bytes, c.packet_bytes_max, p.chunk
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) with ordinality
    as w (device_id, name, version, index, number)
join devices.known_devices k on k.device_id = w.device_id and k.active
join runtime.cursors c on c.device_id = w.device_id
cross join lateral (select greatest(1, least(c.packet_bytes_max - $5::integer, $6::integer)) as bytes) cut
cross join lateral (select v.version, v.sha256, v.bytes
                    from runtime.documents v
                    where v.device_id = w.device_id and v.direction = 'down' and v.name = w.name
                      and (w.version = 0 or v.version = w.version)
                    order by v.version desc
                    limit 1) d
left join lateral (select case when w.index <= d.bytes / cut.bytes
                               then substring(b.content from (w.index * cut.bytes)::integer + 1 for cut.bytes)
                          end as chunk
                   from runtime.blobs b
                   where b.sha256 = d.sha256) p on w.index is not null
