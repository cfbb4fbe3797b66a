-- $1 counted_at
update devices.fleet
set devices = (select count(*) from devices.devices where active), counted_at = $1::timestamptz
where only_row
