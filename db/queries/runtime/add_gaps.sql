-- $1 device_ids  $2 epochs  $3 firsts  $4 lasts  $5 whys  $6 noticed_at
insert into runtime.device_gaps (device_id, epoch, first, last, why, noticed_at)
select n.device_id, n.epoch, n.first, n.last, n.why, $6::timestamptz
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])
    as n (device_id, epoch, first, last, why)
on conflict do nothing
