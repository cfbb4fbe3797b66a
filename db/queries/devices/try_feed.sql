-- $1 lock number
-- Held by the connection: a feeder that dies lets go.
select pg_try_advisory_lock($1::bigint)
