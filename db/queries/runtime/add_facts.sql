-- $1 device_ids  $2 epochs  $3 sequences  $4 kinds  $5 occurred_at  $6 time_sources  $7 received_at
-- $8 digests  $9 outcomes  $10 contents  $11 first_epochs  $12 first_sequences
insert into runtime.facts (device_id, epoch, sequence, kind, occurred_at, time_source, received_at, digest,
                           outcome, content, first_epoch, first_sequence)
select n.device_id, n.epoch, n.sequence, n.kind, n.occurred_at, n.time_source, $7::timestamptz, n.digest,
       n.outcome, n.content::jsonb, n.first_epoch, n.first_sequence
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $8::bigint[],
            $9::text[], $10::text[], $11::bigint[], $12::bigint[])
    as n (device_id, epoch, sequence, kind, occurred_at, time_source, digest, outcome, content, first_epoch,
          first_sequence)
