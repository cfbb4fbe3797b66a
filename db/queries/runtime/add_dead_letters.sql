-- $1 domains  $2 sources  $3 kinds  $4 payloads  $5 whys  $6 set_aside_at
insert into runtime.dead_letters (domain, source, kind, payload, why, set_aside_at)
select n.domain, n.source, n.kind, n.payload, n.why, $6::timestamptz
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    as n (domain, source, kind, payload, why)
