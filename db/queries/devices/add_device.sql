-- $1 device_id  $2 name  $3 place  $4 created_at
-- No row: the id is in use.
insert into devices.devices (device_id, name, place, created_at)
values ($1, $2, $3, $4::timestamptz)
on conflict do nothing
returning device_id
