-- $1 loan_ids  $2 key_ids  $3 person_ids  $4 opened_at  $5 opened_by  $6 issued  $7 confirmed_at
-- $8 closed_at  $9 closed_by  $10 closed_persons  $11 closed_whys
-- A loan that opened and closed within one batch is written once, closed.
insert into keys.loans (loan_id, key_id, person_id, opened_at, opened_by, issued, confirmed_at, closed_at,
                        closed_by, closed_person, closed_why)
select n.loan_id, n.key_id, n.person_id, n.opened_at, n.opened_by, n.issued, n.confirmed_at, n.closed_at,
       n.closed_by, n.closed_person, n.closed_why
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::boolean[],
            $7::timestamptz[], $8::timestamptz[], $9::text[], $10::bigint[], $11::text[])
    as n (loan_id, key_id, person_id, opened_at, opened_by, issued, confirmed_at, closed_at, closed_by,
          closed_person, closed_why)
