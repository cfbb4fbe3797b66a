-- $1 account_ids  $2 device_ids
select 'account:' || account_id as account, role
from accounts.callers
where account_id = any ($1::bigint[])
union all
select device_id, 'device'
from devices.known_devices
where device_id = any ($2::text[]) and active
