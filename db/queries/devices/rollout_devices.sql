-- $1 rollout_id
select r.device_id, r.state, r.offered_at, coalesce(p.firmware, '') as firmware,
       coalesce(p.state = 'online', false) as online,
       r.state = 'offered' and exists (select from log.events e
                                       where e.subject = 'device:' || r.device_id and e.event_id > r.offered_event
                                         and e.type = 'firmware_failed') as failed
from devices.rollout_devices r
left join devices.presence p using (device_id)
where r.rollout_id = $1
order by r.device_id
