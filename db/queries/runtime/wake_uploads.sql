-- $1 device_ids  $2 now
update runtime.uploads
set ask_after = $2::timestamptz
where device_id = any ($1::text[]) and state = 'open' and ask_after > $2::timestamptz
