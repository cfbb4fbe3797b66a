-- $1 device_ids  $2 rssi  $3 uptimes  $4 telemetry or null  $5 now  $6 a sample each so many seconds
-- True for those of which a sample is due now.
insert into devices.heard as h (device_id, heard_at, rssi, uptime_s, content, sampled_at)
select n.device_id, $5::timestamptz, n.rssi, n.uptime_s, n.content::jsonb,
       case when n.content is not null then $5::timestamptz end
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) as n (device_id, rssi, uptime_s, content)
on conflict (device_id) do update
set heard_at = greatest(h.heard_at, excluded.heard_at), rssi = coalesce(excluded.rssi, h.rssi),
    uptime_s = coalesce(excluded.uptime_s, h.uptime_s), content = coalesce(excluded.content, h.content),
    sampled_at = case when h.sampled_at > $5::timestamptz - $6::integer * interval '1 s' then h.sampled_at
                      else coalesce(excluded.sampled_at, h.sampled_at) end
returning h.device_id, h.sampled_at is not distinct from $5::timestamptz as sampled
