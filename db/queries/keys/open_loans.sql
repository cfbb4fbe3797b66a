-- $1 key_ids
select loan_id, key_id, person_id, opened_at, issued, confirmed_at is not null as confirmed
from keys.loans
where key_id = any ($1::bigint[]) and closed_at is null
