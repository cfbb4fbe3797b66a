-- $1 device_id  $2 place  $3 generation  $4 kind  $5 sha256, hex  $6 made_at  $7 ends_at  $8 nonce_sha256, hex  $9 why
-- No row: the hash is known, of a living or a dead one.
insert into devices.credentials (device_id, place, generation, kind, sha256, made_at, ends_at, nonce_sha256, why)
values ($1, $2::integer, $3::integer, $4, decode($5, 'hex'), $6::timestamptz, $7::timestamptz, decode($8, 'hex'), $9)
on conflict (sha256) do nothing
returning credential_id
