-- $1 state or null  $2 before letter_id  $3 most rows
select letter_id, domain, source, kind, why, set_aside_at, state, tries, changed_by, changed_at, reason
from api.dead_letters
where ($1::text is null or state = $1::text) and letter_id < $2::bigint
order by letter_id desc
limit $3::bigint
