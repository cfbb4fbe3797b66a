-- $1 letter_id  $2 state  $3 why it failed, or null  $4 now
update runtime.dead_letters
set state = $2, tries = tries + 1, why = coalesce($3, why), changed_at = $4::timestamptz
where letter_id = $1::bigint
