-- $1 device_ids  $2 cns  $3 states  $4 firmwares  $5 heartbeats  $6 since
-- A repeated birth keeps its since-when. A connection whose will was heard is over: its birth, read later by a slower
-- handler, does not bring it back.
insert into devices.presence (device_id, cn, state, since, firmware, heartbeat_s)
select n.device_id, n.cn, n.state, $6::timestamptz, n.firmware, n.heartbeat_s
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::integer[])
    as n (device_id, cn, state, firmware, heartbeat_s)
on conflict (device_id) do update
set cn = excluded.cn, state = excluded.state, firmware = excluded.firmware, heartbeat_s = excluded.heartbeat_s,
    since = case when presence.state = excluded.state and presence.cn = excluded.cn then presence.since
                 else excluded.since end
where not (presence.cn = excluded.cn and presence.state = 'offline')
