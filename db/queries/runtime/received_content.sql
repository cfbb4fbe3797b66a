-- $1 device_ids  $2 sha256s
-- The limit keeps it a look-up for each.
select n.device_id, encode(n.sha256, 'hex') as sha256
from unnest($1::text[], $2::bytea[]) as n (device_id, sha256)
cross join lateral (select from runtime.documents d
                    where d.device_id = n.device_id and d.direction = 'up' and d.sha256 = n.sha256
                    limit 1) came
