-- $1 after device_id  $2 most rows  $3 state  $4 class  $5 firmware  $6 active  $7 away
-- $8 part of id, name or place, like-escaped; each of $3 to $8 or null
select device_id, name, place, active, created_at, revoked_at, revoked_why, generation, swapped_at, swapped_why,
       lease_s, away_s, state, since, away, firmware, heartbeat_s, packet_bytes_max, heard_at, rssi, uptime_s,
       telemetry, rights_held, rights_wanted, epoch, acked, unacked, clock_error_s
from api.devices
where device_id > $1
  and ($3::text is null or state = $3::text)
  and ($4::text is null or left(device_id, 2) = $4::text)
  and ($5::text is null or firmware = $5::text)
  and ($6::boolean is null or active = $6::boolean)
  and ($7::boolean is null or away = $7::boolean)
  and ($8::text is null or device_id ilike '%' || $8::text || '%' or name ilike '%' || $8::text || '%'
       or place ilike '%' || $8::text || '%')
order by device_id
limit $2::bigint
