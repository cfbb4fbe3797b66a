-- $1 device_ids  $2 cns  $3 firmwares  $4 heartbeats  $5 packet_bytes  $6 rights_versions  $7 last_commands
-- $8 boots  $9 connections that are new  $10 now  $11 births are counted for so many seconds
-- A connection whose will was heard is over: its birth, read later by a slower handler, does not bring it back. One
-- that is online already is left alone when its birth comes again. A device that was revoked meanwhile stays out.
update devices.presence p
set cn = n.cn, state = 'online', firmware = n.firmware, heartbeat_s = n.heartbeat_s,
    packet_bytes_max = n.packet_bytes_max, rights_version = n.rights_version, last_command = n.last_command,
    boot = n.boot, left_at = null, away_at = null,
    since = case when p.state = 'online' and p.cn = n.cn then p.since else $10::timestamptz end,
    births = n.fresh + case when p.births_since > $10::timestamptz - $11::integer * interval '1 s'
                            then p.births else 0 end,
    births_since = case when p.births_since > $10::timestamptz - $11::integer * interval '1 s'
                        then p.births_since else $10::timestamptz end
from unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::integer[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::integer[])
    as n (device_id, cn, firmware, heartbeat_s, packet_bytes_max, rights_version, last_command, boot, fresh)
where p.device_id = n.device_id and not (p.cn = n.cn and p.state = 'offline')
  and (n.fresh > 0 or p.state <> 'online' or p.cn <> n.cn)
  and exists (select from devices.devices d where d.device_id = p.device_id and d.active)
returning p.device_id, p.births
