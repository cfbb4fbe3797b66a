-- $1 device_ids  $2 epochs  $3 sequences
-- A fact that comes again under a new epoch names an earlier number of its own: the first it had, or a later one.
select w.device_id, w.epoch, w.sequence, f.digest
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (device_id, epoch, sequence)
join runtime.facts f
  on f.device_id = w.device_id and f.first_epoch = w.epoch and f.first_sequence = w.sequence
union
select w.device_id, w.epoch, w.sequence, f.digest
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (device_id, epoch, sequence)
join runtime.facts f
  on f.device_id = w.device_id and f.epoch = w.epoch and f.sequence = w.sequence
