-- $1 now  $2 noted once in so many seconds
-- Somebody has heard the broker. Never waited for: whoever holds the row notes as much.
update devices.fleet f
set taken_at = $1::timestamptz
from (select only_row
      from devices.fleet
      where only_row and taken_at < $1::timestamptz - $2::integer * interval '1 s'
      for update skip locked) s
where f.only_row and s.only_row
