-- $1 now  $2 most rows
update devices.credentials c
set revoked_at = c.ends_at
from (select credential_id from devices.credentials
      where revoked_at is null and ends_at <= $1::timestamptz
      order by ends_at, credential_id
      limit $2::bigint
      for update skip locked) s
where c.credential_id = s.credential_id
returning c.device_id, c.kind
