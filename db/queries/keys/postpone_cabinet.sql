-- $1 cabinet  $2 due_at
update keys.stale_cabinets set due_at = $2::timestamptz where cabinet = $1
