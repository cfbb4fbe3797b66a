-- When the next living credential ends.
select ends_at
from devices.credentials
where revoked_at is null and ends_at is not null
order by ends_at
limit 1
