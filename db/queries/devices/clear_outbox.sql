-- $1 device_ids  $2 stamps
-- Those that have changed again meanwhile stay.
delete from devices.guard_outbox o
using unnest($1::text[], $2::bigint[]) as n (device_id, stamp)
where o.device_id = n.device_id and o.stamp = n.stamp
