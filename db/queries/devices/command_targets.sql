-- $1 device_ids  $2 now
-- A command that the device works on holds the next one up; one that expired unheard of does not. (offset 0 keeps the
-- state out of the look-up: by it, half of all devices would be walked through.)
select p.device_id, p.cn, p.packet_bytes_max,
       coalesce((select c.number
                 from runtime.commands c
                 where c.device_id = p.device_id and c.state in ('queued', 'sent', 'accepted')
                   and (c.state = 'accepted' or c.expires_at > $2::timestamptz)
                 order by c.number
                 limit 1), 0) as next
from unnest($1::text[]) as w (device_id),
     lateral (select h.device_id, h.cn, h.packet_bytes_max, h.state
              from devices.presence h
              where h.device_id = w.device_id
              offset 0) as p
join devices.devices d on d.device_id = p.device_id
where p.state = 'online' and d.active
