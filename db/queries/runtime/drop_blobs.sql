-- $1 sha256s
delete from runtime.blobs where sha256 = any ($1::bytea[])
