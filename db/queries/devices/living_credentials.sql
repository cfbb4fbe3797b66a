-- $1 device_id
select credential_id, place, kind, encode(sha256, 'hex') as sha256, ends_at,
       encode(nonce_sha256, 'hex') as nonce_sha256
from devices.credentials
where device_id = $1 and revoked_at is null
order by credential_id desc
