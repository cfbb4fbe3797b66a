-- $1 sha256, hex
select credential_id from devices.credentials where sha256 = decode($1, 'hex')
