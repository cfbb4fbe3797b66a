-- Two programs that migrate at once wait for each other. The number is "klyumigr" in ASCII.
select pg_advisory_lock(7740398428186012530)
