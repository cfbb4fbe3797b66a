-- $1 last written_by  $2 last event_id  $3 most rows
-- Only events whose transaction, and every older one, has ended: nothing can appear before them any more.
-- (The order names the columns with their table: the bare name would be the text beside it, and '9' > '10'.)
select e.event_id, e.recorded_at::text as recorded_at, e.written_by::text as written_by
from log.events e
where (e.written_by, e.event_id) > ($1::text::xid8, $2::bigint)
  and e.written_by < pg_snapshot_xmin(pg_current_snapshot())
order by e.written_by, e.event_id
limit $3::bigint
