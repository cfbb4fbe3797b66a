-- $1 device_ids  $2 epochs  $3 sequences
select f.device_id, f.epoch, f.sequence, f.digest
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (device_id, epoch, sequence)
join runtime.facts f using (device_id, epoch, sequence)
