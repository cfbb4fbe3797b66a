-- $1 device_id  $2 epoch  $3 sequence
select kind, occurred_at, time_source, digest, outcome, content, first_epoch, first_sequence
from runtime.facts
where device_id = $1 and epoch = $2::bigint and sequence = $3::bigint
