-- When the next living credential ends. Nothing lives from before the epoch.
select ends_at
from devices.credentials
where revoked_at is null and ends_at > 'epoch'::timestamptz
order by ends_at
limit 1
