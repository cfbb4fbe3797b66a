-- $1 device_ids  $2 cns  $3 epochs  $4 acked  $5 recent_firsts  $6 recent_digests  $7 boots  $8 booted_at
-- $9 skipped  $10 born_ms  $11 generations  $12 born_his  $13 clock_errors
-- $14 packet_bytes_max  $15 rights_held
update runtime.cursors c
set cn = n.cn, epoch = n.epoch, acked = n.acked, recent_first = n.recent_first,
    recent_digests = n.recent_digests::bigint[], boot = n.boot, booted_at = n.booted_at, skipped = n.skipped,
    born_ms = n.born_ms, generation = n.generation, born_hi = n.born_hi, clock_error_s = n.clock_error_s,
    packet_bytes_max = n.packet_bytes_max, rights_held = n.rights_held
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[],
            $8::timestamptz[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
            $14::integer[], $15::bigint[])
    as n (device_id, cn, epoch, acked, recent_first, recent_digests, boot, booted_at, skipped, born_ms, generation,
          born_hi, clock_error_s, packet_bytes_max, rights_held)
where c.device_id = n.device_id
