-- $1 device_id  $2 direction  $3 name  $4 version, null = the next  $5 sha256, hex  $6 now
-- No row: there is no such blob.
insert into runtime.documents (device_id, direction, name, version, sha256, bytes, made_at)
select $1, $2, $3,
       coalesce($4::bigint, 1 + coalesce((select max(d.version) from runtime.documents d
                                          where d.device_id = $1 and d.direction = $2 and d.name = $3), 0)),
       b.sha256, b.bytes, $6::timestamptz
from runtime.blobs b
where b.sha256 = decode($5, 'hex')
returning version
