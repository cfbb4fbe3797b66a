-- $1 position  $2 most rows
select position, recorded_at, domain, type, subject, actor, source, occurred_at, ids
from api.events
where position > $1::bigint
order by position
limit $2::bigint
