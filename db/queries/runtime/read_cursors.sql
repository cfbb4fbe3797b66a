-- $1 device_ids
select c.device_id, c.cn, c.epoch, c.acked, c.recent_first, c.recent_digests, c.boot, c.booted_at, c.skipped,
       c.born_ms, c.generation, c.born_hi, c.clock_error_s, c.packet_bytes_max, c.rights_held,
       d.generation as identity, d.active, d.lease_s, coalesce(w.rights_version, 0) as rights_wanted,
       w.firmware as firmware_wanted
from runtime.cursors c
join devices.known_devices d using (device_id)
left join runtime.wanted w using (device_id)
where c.device_id = any ($1::text[])
