-- $1 device_id  $2 away_s
-- Only where it is still to be raised: an alarm that was raised stays. (The condition is not in the where clause: a
-- plan made while the table is empty would walk through the index of those who are away.)
update devices.presence
set away_at = case when away_at is not null then left_at + $2::integer * interval '1 s' end
where device_id = $1
