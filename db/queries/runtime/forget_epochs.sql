-- $1 older than  $2 most rows
-- The epoch of a connection that is still the device's is kept however old: its birth may come again.
delete from runtime.epochs
where (device_id, cn) in (select e.device_id, e.cn from runtime.epochs e
                          left join runtime.cursors c on c.device_id = e.device_id and c.cn = e.cn
                          where e.issued_at < $1::timestamptz and c.device_id is null
                          limit $2::bigint)
