-- $1 token_sha256, hex  $2 now
select account_id, login, role, expires_at
from api.sessions
where token_sha256 = decode($1, 'hex') and expires_at > $2::timestamptz
