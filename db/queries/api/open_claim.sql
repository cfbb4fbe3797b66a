-- $1 device_id  $2 code_sha256, hex
select ends_at from api.open_claims where device_id = $1 and code_sha256 = decode($2, 'hex')
