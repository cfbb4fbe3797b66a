-- $1 rollout_id  $2 device_ids  $3 from_versions  $4 now
-- A number of the log's own sequence: what the device says later has a higher one.
update devices.rollout_devices r
set state = 'offered', from_version = n.from_version, offered_at = $4::timestamptz,
    offered_event = nextval('log.event_ids')
from unnest($2::text[], $3::text[]) as n (device_id, from_version)
where r.rollout_id = $1 and r.device_id = n.device_id
