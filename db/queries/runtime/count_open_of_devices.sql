-- $1 device_ids
select c.device_id, count(*) as open
from runtime.commands c
where c.device_id = any ($1::text[]) and c.state in ('queued', 'sent', 'accepted')
group by c.device_id
