-- $1 version  $2 per_minute  $3 failures_max  $4 now  $5 by
insert into devices.rollouts (version, per_minute, failures_max, started_at, started_by)
values ($1, $2, $3, $4::timestamptz, $5)
returning rollout_id
