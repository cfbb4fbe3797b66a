-- $1 device_id  $2 event type
select count(*)
from log.events
where actor = 'device:' || $1 and domain = 'keys' and type = $2
