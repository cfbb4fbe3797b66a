-- $1 name  $2 due next
update runtime.chores set due_at = $2::timestamptz where name = $1
