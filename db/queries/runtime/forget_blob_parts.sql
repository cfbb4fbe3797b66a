-- $1 older than  $2 most rows
delete from runtime.blob_parts
where (sha256, index) in (select sha256, index from runtime.blob_parts
                          where made_at < $1::timestamptz
                          limit $2::bigint)
