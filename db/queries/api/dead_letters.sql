-- $1 before letter_id  $2 most rows
select letter_id, domain, source, kind, why, set_aside_at
from api.dead_letters
where letter_id < $1::bigint
order by letter_id desc
limit $2::bigint
