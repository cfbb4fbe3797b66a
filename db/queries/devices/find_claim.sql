-- $1 device_id
select encode(code_sha256, 'hex') as code_sha256, ends_at, used_at is not null as used,
       encode(nonce_sha256, 'hex') as nonce_sha256
from devices.claims
where device_id = $1
