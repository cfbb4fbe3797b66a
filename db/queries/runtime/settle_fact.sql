-- $1 device_id  $2 epoch  $3 sequence  $4 outcome
-- Only what was set aside becomes something else.
update runtime.facts
set outcome = $4
where device_id = $1 and epoch = $2::bigint and sequence = $3::bigint and outcome = 'set_aside'
