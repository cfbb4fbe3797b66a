-- $1 positions  $2 event_ids  $3 recorded_at  $4 written_by
insert into log.positions (position, event_id, recorded_at, written_by)
select n.position, n.event_id, n.recorded_at, n.written_by::xid8
from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[])
    as n (position, event_id, recorded_at, written_by)
