-- $1 device_ids  $2 now  $3 a report counts once in so many seconds
-- Every handler hears the guard; the first one notes it.
update devices.presence
set flooded_at = $2::timestamptz
where device_id = any ($1::text[])
  and (flooded_at is null or flooded_at < $2::timestamptz - $3::integer * interval '1 s')
returning device_id
