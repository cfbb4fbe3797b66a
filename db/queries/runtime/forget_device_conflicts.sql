-- $1 older than  $2 most rows
delete from runtime.device_conflicts
where (device_id, epoch, sequence, digest) in (select device_id, epoch, sequence, digest from runtime.device_conflicts
                  where noticed_at < $1::timestamptz
                  limit $2::bigint)
