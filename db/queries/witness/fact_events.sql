-- $1 device_id
-- Facts with more than one event of a kind that each fact causes at most once.
select source, count(*) as times
from log.events
where actor = 'device:' || $1
  and type in ('key_taken', 'key_returned', 'loan_confirmed', 'access_granted', 'access_denied')
group by source
having count(*) > 1
