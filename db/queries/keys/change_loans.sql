-- $1 loan_ids  $2 confirmed_at  $3 closed_at  $4 closed_by  $5 closed_persons  $6 closed_whys
-- Open is told by closed_why (loans_closed_whole): told by closed_at, a plan made while the table is empty would walk
-- through an index of open loans.
update keys.loans l
set confirmed_at = coalesce(l.confirmed_at, n.confirmed_at), closed_at = n.closed_at, closed_by = n.closed_by,
    closed_person = n.closed_person, closed_why = n.closed_why
from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[], $6::text[])
    as n (loan_id, confirmed_at, closed_at, closed_by, closed_person, closed_why)
where l.loan_id = n.loan_id and l.closed_why is null
