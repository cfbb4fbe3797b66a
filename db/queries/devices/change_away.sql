-- $1 device_id  $2 away_s
-- Only where it is still to be raised: an alarm that was raised stays.
update devices.presence
set away_at = left_at + $2::integer * interval '1 s'
where device_id = $1 and away_at is not null
