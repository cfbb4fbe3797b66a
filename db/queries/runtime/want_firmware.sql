-- $1 device_id  $2 version or null
insert into runtime.wanted (device_id, firmware)
values ($1, $2)
on conflict (device_id) do update set firmware = excluded.firmware
