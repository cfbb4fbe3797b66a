-- $1 before rollout_id  $2 most rows
select rollout_id, version, per_minute, failures_max, state, started_at, started_by, ended_at, why,
       waiting, offered, updated, rolled_back, failed, skipped
from api.rollouts
where rollout_id < $1::bigint
order by rollout_id desc
limit $2::bigint
