-- $1 after device_id  $2 most devices
select d.device_id, c.kind, encode(c.sha256, 'hex') as sha256
from (select device_id from devices.devices
      where device_id > $1
      order by device_id
      limit $2::bigint) d
left join lateral (select e.kind, e.sha256, e.credential_id
                   from devices.credentials e
                   join devices.devices a on a.device_id = e.device_id and a.active
                   where e.device_id = d.device_id and e.revoked_at is null) c on true
order by d.device_id, c.credential_id
