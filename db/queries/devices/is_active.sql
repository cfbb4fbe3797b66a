-- $1 device_id
select active from devices.known_devices where device_id = $1
