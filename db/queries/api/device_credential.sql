-- $1 device_id  $2 secret_sha256, hex
select device_id from api.device_credentials
where device_id = $1 and secret_sha256 = decode($2, 'hex')
