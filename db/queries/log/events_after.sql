-- $1 position  $2 most rows
select n.position, e.recorded_at, e.domain, e.type, e.subject, e.actor, e.source, e.occurred_at, e.ids
from log.positions n
join log.events e on e.event_id = n.event_id and e.recorded_at = n.recorded_at
where n.position > $1::bigint
order by n.position
limit $2::bigint
