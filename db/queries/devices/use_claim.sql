-- $1 device_id  $2 used_at  $3 nonce_sha256, hex
update devices.claims
set used_at = $2::timestamptz, nonce_sha256 = decode($3, 'hex')
where device_id = $1
