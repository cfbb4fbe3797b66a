-- $1 most devices
-- What the guard is to know of those who changed: no credential, and the device is nobody there.
select o.device_id, o.stamp, c.kind, encode(c.sha256, 'hex') as sha256
from (select device_id, stamp from devices.guard_outbox order by device_id limit $1::bigint) o
left join devices.devices d on d.device_id = o.device_id
left join devices.credentials c
       on c.device_id = o.device_id and d.active and c.revoked_at is null
order by o.device_id, c.credential_id
