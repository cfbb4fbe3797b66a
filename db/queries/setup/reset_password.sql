-- $1 login  $2 password_hash
-- Whoever held a session before the reset holds none after it.
with changed as (
    update accounts.accounts set password_hash = $2 where login = $1 and active
    returning account_id
), ended as (
    delete from accounts.sessions where account_id in (select account_id from changed)
)
select account_id from changed
