-- $1 now  $2 names
-- Whoever sees a chore due first does it; a killed one leaves it due.
update runtime.chores c
set due_at = $1::timestamptz + c.every
where c.name in (select d.name from runtime.chores d
                 where d.name = any ($2::text[]) and d.due_at <= $1::timestamptz
                 order by d.name
                 for update skip locked)
returning c.name
