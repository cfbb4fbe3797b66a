-- $1 subject  $2 before event_id  $3 most rows
select event_id, recorded_at, domain, type, subject, actor, source, occurred_at, ids
from api.subject_events
where subject = $1 and event_id < $2::bigint
order by event_id desc
limit $3::bigint
