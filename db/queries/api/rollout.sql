-- $1 rollout_id
select rollout_id, version, per_minute, failures_max, state, started_at, started_by, ended_at, why,
       waiting, offered, updated, rolled_back, failed, skipped
from api.rollouts
where rollout_id = $1::bigint
