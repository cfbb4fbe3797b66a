-- $1 last written_by  $2 last event_id  $3 most rows
-- Only events whose transaction, and every older one, has ended: nothing can appear before them any more.
select event_id, recorded_at::text as recorded_at, written_by::text as written_by
from log.events
where (written_by, event_id) > ($1::text::xid8, $2::bigint)
  and written_by < pg_snapshot_xmin(pg_current_snapshot())
order by written_by, event_id
limit $3::bigint
