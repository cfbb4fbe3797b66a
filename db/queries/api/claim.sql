-- $1 device_id
select made_at, made_by, ends_at, used_at from api.claims where device_id = $1
