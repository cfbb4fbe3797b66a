-- $1 token_sha256, hex
delete from accounts.sessions where token_sha256 = decode($1, 'hex')
