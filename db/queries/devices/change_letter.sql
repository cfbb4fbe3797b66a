-- $1 letter_id  $2 state  $3 by  $4 reason or null  $5 now
update runtime.dead_letters
set state = $2, changed_by = $3, reason = $4, changed_at = $5::timestamptz
where letter_id = $1::bigint
