-- $1 device_ids  $2 epochs  $3 sequences  $4 digests  $5 kinds  $6 contents  $7 noticed_at
insert into runtime.device_conflicts (device_id, epoch, sequence, digest, kind, content, noticed_at)
select n.device_id, n.epoch, n.sequence, n.digest, n.kind, n.content::jsonb, $7::timestamptz
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])
    as n (device_id, epoch, sequence, digest, kind, content)
on conflict do nothing
