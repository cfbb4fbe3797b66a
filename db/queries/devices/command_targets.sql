-- $1 device_ids  $2 now
-- A command that the device works on holds the next one up; one that expired unheard of does not.
select p.device_id, p.cn, p.packet_bytes_max,
       coalesce((select c.number
                 from runtime.commands c
                 where c.device_id = p.device_id and c.state in ('queued', 'sent', 'accepted')
                   and (c.state = 'accepted' or c.expires_at > $2::timestamptz)
                 order by c.number
                 limit 1), 0) as next
from devices.present_devices p
where p.device_id = any ($1::text[])
