-- $1 person_id
-- No row: unknown, or already inactive.
update accounts.people set active = false where person_id = $1::bigint and active
returning person_id
