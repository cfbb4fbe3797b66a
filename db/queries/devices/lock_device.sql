-- $1 device_id
-- Whatever changes a device's identity happens one after the other, in whichever handler.
select active, generation
from devices.devices
where device_id = $1
for no key update
