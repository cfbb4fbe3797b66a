-- Whoever steps a roll-out holds its row.
select rollout_id, version, per_minute, failures_max
from devices.rollouts
where state = 'running'
order by rollout_id
for update skip locked
