-- $1 letter_id
select letter_id, domain, source, kind, why, set_aside_at, state, tries, changed_by, changed_at, reason, payload
from api.dead_letters
where letter_id = $1::bigint
