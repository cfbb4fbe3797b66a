select position, event_id, written_by::text as written_by
from log.positions
order by position desc
limit 1
