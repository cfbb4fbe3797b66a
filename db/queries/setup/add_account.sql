-- $1 login  $2 password_hash  $3 role  $4 created_at
-- No row: the login is in use.
insert into accounts.accounts (login, password_hash, role, created_at)
values ($1, $2, $3, $4::timestamptz)
on conflict do nothing
returning account_id
