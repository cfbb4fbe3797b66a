-- Keys that two persons held at one time: two open loans, or a loan written while the one before it was not
-- ended. Ends are compared by the order of writing (loan_id), not by device clocks, which may be wrong.
select count(*) as keys
from (select key_id from keys.loans where closed_at is null group by key_id having count(*) > 1
      union
      select l.key_id
      from keys.loans l
      where l.closed_at is null
        and exists (select from keys.loans n where n.key_id = l.key_id and n.loan_id > l.loan_id)) as twice
