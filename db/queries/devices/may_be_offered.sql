-- $1 device_id
select from devices.devices d
where d.device_id = $1 and d.active
  and not exists (select from devices.rollout_devices r
                  where r.device_id = d.device_id and r.state in ('waiting', 'offered'))
