-- $1 name  $2 now
-- Held until the end of the transaction that does it; whoever finds it held leaves it.
select name from runtime.chores where name = $1 and due_at <= $2::timestamptz for update skip locked
