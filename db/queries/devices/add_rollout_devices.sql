-- $1 rollout_id  $2 device_ids
insert into devices.rollout_devices (rollout_id, device_id)
select $1::bigint, unnest($2::text[])
