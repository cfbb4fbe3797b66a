-- $1 device_id
insert into runtime.cursors (device_id) values ($1) on conflict do nothing
