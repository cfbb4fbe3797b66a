-- $1 device_id  $2 version
insert into runtime.wanted (device_id, rights_version)
values ($1, $2::bigint)
on conflict (device_id) do update set rights_version = excluded.rights_version
