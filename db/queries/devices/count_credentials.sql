-- $1 device_id  $2 made after
select count(*) from devices.credentials where device_id = $1 and made_at > $2::timestamptz
