-- $1 sha256, hex
select bytes from runtime.blobs where sha256 = decode($1, 'hex')
