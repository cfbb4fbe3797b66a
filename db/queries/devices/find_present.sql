-- $1 device_ids
select device_id, cn, state, heartbeat_s from devices.presence where device_id = any ($1::text[])
