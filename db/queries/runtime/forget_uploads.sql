-- $1 older than  $2 most rows
-- Their chunks go with them.
delete from runtime.uploads
where (device_id, name) in (select device_id, name from runtime.uploads
                            where changed_at < $1::timestamptz
                            limit $2::bigint)
