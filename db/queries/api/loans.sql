-- $1 open only  $2 key_id or null  $3 person_id or null  $4 before loan_id  $5 most rows
select loan_id, key_id, key_name, room, person_id, full_name, opened_at, opened_by, issued, confirmed_at,
       closed_at, closed_by, closed_person, closed_why
from api.loans
where (not $1::boolean or closed_at is null)
  and ($2::bigint is null or key_id = $2::bigint)
  and ($3::bigint is null or person_id = $3::bigint)
  and loan_id < $4::bigint
order by loan_id desc
limit $5::bigint
