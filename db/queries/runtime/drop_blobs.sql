-- $1 sha256s  $2 not used after
select runtime.drop_blobs($1::bytea[], $2::timestamptz[])
