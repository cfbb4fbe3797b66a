-- $1 device_id
select epoch, sequence, kind, outcome, content::text as content
from runtime.facts
where device_id = $1
order by epoch, sequence
