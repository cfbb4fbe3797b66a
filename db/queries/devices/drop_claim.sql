-- $1 device_id
delete from devices.claims where device_id = $1
