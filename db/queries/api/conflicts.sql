-- $1 before conflict_id  $2 most rows
select conflict_id, key_id, person_id, holder_id, loan_id, device_id, epoch, sequence, why, occurred_at,
       noticed_at, right_ended_at, rights_version
from api.conflicts
where conflict_id < $1::bigint
order by conflict_id desc
limit $2::bigint
