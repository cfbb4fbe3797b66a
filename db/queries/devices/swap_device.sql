-- $1 device_id  $2 swapped_at  $3 swapped_why
update devices.devices
set generation = generation + 1, active = true, revoked_at = null, revoked_why = null,
    swapped_at = $2::timestamptz, swapped_why = $3
where device_id = $1
