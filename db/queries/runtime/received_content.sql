-- $1 device_ids  $2 sha256s  $3 bytes
-- The limit keeps it a look-up for each.
select n.device_id, encode(n.sha256, 'hex') as sha256, n.bytes
from unnest($1::text[], $2::bytea[], $3::bigint[]) as n (device_id, sha256, bytes)
cross join lateral (select from runtime.documents d
                    where d.device_id = n.device_id and d.direction = 'up' and d.sha256 = n.sha256
                      and d.bytes = n.bytes
                    limit 1) came
