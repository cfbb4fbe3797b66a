-- $1 device_id
select device_id, name, place, active, created_at, revoked_at, revoked_why, generation, swapped_at, swapped_why,
       lease_s, away_s, state, since, away, firmware, heartbeat_s, packet_bytes_max, heard_at, rssi, uptime_s,
       telemetry, rights_held, rights_wanted, epoch, acked, unacked, clock_error_s
from api.devices
where device_id = $1
