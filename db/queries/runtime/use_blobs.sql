-- $1 sha256s  $2 now
update runtime.blobs
set used_at = $2::timestamptz
where sha256 = any ($1::bytea[])
returning encode(sha256, 'hex') as sha256
