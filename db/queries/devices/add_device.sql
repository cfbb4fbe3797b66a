-- $1 device_id  $2 name  $3 secret_sha256, hex  $4 created_at
-- No row: the id is in use.
insert into devices.devices (device_id, name, secret_sha256, created_at)
values ($1, $2, decode($3, 'hex'), $4::timestamptz)
on conflict do nothing
returning device_id
