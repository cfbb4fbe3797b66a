-- $1 now  $2 most rows
select u.device_id, u.name, encode(u.sha256, 'hex') as sha256, u.bytes, u.state, u.total, u.chunk_bytes, u.have,
       u.asked_last, u.ask_after, u.asks, u.failures, u.day, u.day_bytes, p.cn
from runtime.uploads u
join devices.present_devices p using (device_id)
where u.state = 'open' and u.ask_after <= $1::timestamptz
order by u.ask_after
limit $2::bigint
for update of u skip locked
