-- $1 device_ids
select p.device_id, p.cn, p.state, p.heartbeat_s, h.heard_at
from devices.presence p
left join devices.heard h on h.device_id = p.device_id
where p.device_id = any ($1::text[])
