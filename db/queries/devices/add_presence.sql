-- $1 device_id  $2 since
insert into devices.presence (device_id, since) values ($1, $2::timestamptz) on conflict do nothing
