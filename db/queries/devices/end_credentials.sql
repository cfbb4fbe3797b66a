-- $1 credential_ids  $2 ends_at  $3 revoked_at
update devices.credentials c
set ends_at = n.ends_at, revoked_at = n.revoked_at
from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) as n (credential_id, ends_at, revoked_at)
where c.credential_id = n.credential_id
