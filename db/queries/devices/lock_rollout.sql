-- $1 rollout_id
select version, per_minute, failures_max, state from devices.rollouts where rollout_id = $1 for update
