-- $1 device_id  $2 name  $3 place  $4 lease_s  $5 away_s; absent ones stay as they are
-- No row: there is no such device.
update devices.devices
set name = coalesce($2, name), place = coalesce($3, place), lease_s = coalesce($4::integer, lease_s),
    away_s = coalesce($5::integer, away_s)
where device_id = $1
returning away_s
