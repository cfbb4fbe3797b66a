-- $1 name  $2 public key, hex  $3 now
-- The same name again replaces its key: a lost signing key must stop counting at once.
insert into devices.firmware_signers (name, public_key, trusted_at)
values ($1, decode($2, 'hex'), $3::timestamptz)
on conflict (name) do update set public_key = excluded.public_key, trusted_at = excluded.trusted_at
