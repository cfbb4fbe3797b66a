-- $1 device_ids  $2 cns  $3 epochs  $4 whys  $5 issued_at
insert into runtime.epochs (device_id, cn, epoch, why, issued_at)
select n.device_id, n.cn, n.epoch, n.why, $5::timestamptz
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) as n (device_id, cn, epoch, why)
on conflict (device_id, cn) do update set epoch = excluded.epoch, why = excluded.why
