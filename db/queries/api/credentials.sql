-- $1 device_id  $2 before credential_id  $3 most rows
select credential_id, generation, kind, made_at, ends_at, revoked_at, why
from api.credentials
where device_id = $1 and credential_id < $2::bigint
order by credential_id desc
limit $3::bigint
