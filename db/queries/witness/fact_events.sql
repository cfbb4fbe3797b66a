-- $1 device_id
-- How often each fact had an effect: one event of its own kind each, conflicts apart.
select source, count(*) as times
from log.events
where actor = 'device:' || $1 and type in ('key_taken', 'key_returned', 'loan_confirmed')
group by source
having count(*) > 1
