-- $1 last written_by  $2 last event_id
select 1
from log.events
where (written_by, event_id) > ($1::text::xid8, $2::bigint)
limit 1
