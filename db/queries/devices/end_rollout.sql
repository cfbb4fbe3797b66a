-- $1 rollout_id  $2 state  $3 why  $4 now
update devices.rollouts
set state = $2, why = $3, ended_at = $4::timestamptz
where rollout_id = $1 and state = 'running'
