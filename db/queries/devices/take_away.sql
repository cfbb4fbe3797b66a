-- $1 now  $2 most rows
-- Away for longer than it may be; each is raised once.
update devices.presence p
set away_at = null
from (select device_id from devices.presence
      where away_at <= $1::timestamptz
      order by away_at, device_id
      limit $2::bigint
      for update skip locked) s
where p.device_id = s.device_id
returning p.device_id
