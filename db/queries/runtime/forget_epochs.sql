-- $1 older than  $2 most rows
delete from runtime.epochs
where (device_id, cn) in (select device_id, cn from runtime.epochs
                          where issued_at < $1::timestamptz
                          limit $2::bigint)
