-- $1 device_id  $2 revoked_at  $3 revoked_why
update devices.devices
set active = false, revoked_at = $2::timestamptz, revoked_why = $3
where device_id = $1
