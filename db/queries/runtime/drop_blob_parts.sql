-- $1 sha256, hex
delete from runtime.blob_parts where sha256 = decode($1, 'hex')
