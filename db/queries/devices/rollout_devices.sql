-- $1 rollout_id
-- Those that are still open. The log is asked about devices with an offer only.
select r.device_id, r.state, r.offered_at, coalesce(p.firmware, '') as firmware,
       coalesce(p.state = 'online', false) as online,
       case when r.state = 'offered'
            then exists (select from log.events e
                         where e.subject = 'device:' || r.device_id and e.event_id > r.offered_event
                           and e.type = 'firmware_failed')
            else false end as failed,
       d.active
from devices.rollout_devices r
join devices.devices d using (device_id)
left join devices.presence p using (device_id)
where r.rollout_id = $1 and r.state in ('waiting', 'offered')
order by r.device_id
