-- $1 key_ids  $2 person_ids  $3 holder_ids  $4 loan_ids  $5 device_ids  $6 epochs  $7 sequences  $8 whys
-- $9 occurred_at  $10 noticed_at  $11 right_ended_at  $12 rights_versions
insert into keys.conflicts (key_id, person_id, holder_id, loan_id, device_id, epoch, sequence, why,
                            occurred_at, noticed_at, right_ended_at, rights_version)
select n.key_id, n.person_id, n.holder_id, n.loan_id, n.device_id, n.epoch, n.sequence, n.why, n.occurred_at,
       $10::timestamptz, n.right_ended_at, n.rights_version
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
            $8::text[], $9::timestamptz[], $11::timestamptz[], $12::bigint[])
    as n (key_id, person_id, holder_id, loan_id, device_id, epoch, sequence, why, occurred_at, right_ended_at,
          rights_version)
