-- $1 device_ids  $2 numbers  $3 kinds  $4 contents  $5 made_at  $6 made_by  $7 expires_at
insert into runtime.commands (device_id, number, kind, content, made_at, made_by, expires_at, send_after,
                              overdue_at)
select n.device_id, n.number, n.kind, n.content::jsonb, $5::timestamptz, n.made_by, n.expires_at,
       $5::timestamptz, n.expires_at
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $6::text[], $7::timestamptz[])
    as n (device_id, number, kind, content, made_by, expires_at)
returning command_id, device_id, number
