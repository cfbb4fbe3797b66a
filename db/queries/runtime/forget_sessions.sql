-- $1 older than  $2 most rows
delete from accounts.sessions
where token_sha256 in (select token_sha256 from accounts.sessions
                       where expires_at < $1::timestamptz
                       limit $2::bigint)
