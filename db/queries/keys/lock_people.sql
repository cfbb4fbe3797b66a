-- $1 person_ids
-- What a person may take is decided by one at a time; the lock ends with the transaction. In id order, and before
-- any key is locked.
select pg_advisory_xact_lock(hashtextextended('keys.rights', w.person_id))
from (select unnest($1::bigint[]) as person_id order by 1) as w
