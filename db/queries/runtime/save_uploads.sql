-- $1 device_ids  $2 names  $3 sha256s  $4 bytes  $5 states  $6 totals  $7 chunk_bytes  $8 have  $9 asked_last
-- $10 ask_after  $11 asks  $12 failures  $13 now  $14 days  $15 bytes of these days
insert into runtime.uploads as u (device_id, name, sha256, bytes, state, total, chunk_bytes, have, asked_last, ask_after,
                                  asks, failures, changed_at, day, day_bytes)
select n.device_id, n.name, n.sha256, n.bytes, n.state, nullif(n.total, 0), nullif(n.chunk_bytes, 0), n.have,
       n.asked_last, n.ask_after, n.asks, n.failures, $13::timestamptz, n.day, n.day_bytes
from unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], $6::integer[], $7::integer[],
            $8::integer[], $9::integer[], $10::timestamptz[], $11::integer[], $12::integer[], $14::integer[],
            $15::bigint[])
    as n (device_id, name, sha256, bytes, state, total, chunk_bytes, have, asked_last, ask_after, asks, failures,
          day, day_bytes)
on conflict (device_id, name) do update
set sha256 = excluded.sha256, bytes = excluded.bytes, state = excluded.state, total = excluded.total,
    chunk_bytes = excluded.chunk_bytes, have = excluded.have, asked_last = excluded.asked_last,
    ask_after = excluded.ask_after, asks = excluded.asks, failures = excluded.failures,
    changed_at = excluded.changed_at, day = excluded.day, day_bytes = excluded.day_bytes
