-- $1 token_sha256, hex  $2 account_id  $3 opened_at  $4 expires_at
insert into accounts.sessions (token_sha256, account_id, opened_at, expires_at)
values (decode($1, 'hex'), $2::bigint, $3::timestamptz, $4::timestamptz)
on conflict do nothing
