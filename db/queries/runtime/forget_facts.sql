-- $1 older than  $2 most rows
delete from runtime.facts
where (device_id, epoch, sequence) in (select device_id, epoch, sequence from runtime.facts
                                       where received_at < $1::timestamptz
                                       limit $2::bigint)
