-- $1 lock_timeout  $2 statement_timeout
-- For this connection; the limits of sessions that serve people are too short for what an operator does.
select set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)
