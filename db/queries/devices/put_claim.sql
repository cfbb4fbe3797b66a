-- $1 device_id  $2 code_sha256, hex  $3 made_at  $4 made_by  $5 ends_at
insert into devices.claims (device_id, code_sha256, made_at, made_by, ends_at)
values ($1, decode($2, 'hex'), $3::timestamptz, $4, $5::timestamptz)
on conflict (device_id) do update
set code_sha256 = excluded.code_sha256, made_at = excluded.made_at, made_by = excluded.made_by,
    ends_at = excluded.ends_at, used_at = null, nonce_sha256 = null
