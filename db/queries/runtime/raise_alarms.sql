-- $1 kinds  $2 subjects  $3 device_ids  $4 severities  $5 counts  $6 ids  $7 now
-- In `woken` the inner look sees the row as it was before this statement.
insert into runtime.alarms as a (kind, subject, device_id, severity, raised_at, last_at, count, ids)
select n.kind, n.subject, n.device_id, n.severity, $7::timestamptz, $7::timestamptz, n.count, n.ids::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::text[])
    as n (kind, subject, device_id, severity, count, ids)
on conflict (kind, subject) where state <> 'resolved' do update
set last_at = excluded.last_at, count = a.count + excluded.count, ids = excluded.ids,
    severity = greatest(a.severity, excluded.severity),
    state = case when a.state = 'snoozed' and a.snoozed_until <= excluded.last_at then 'open' else a.state end
returning a.alarm_id, a.kind, a.subject, a.xmax = 0 as first,
          coalesce(a.state = 'open' and (select o.state = 'snoozed' from runtime.alarms o
                                         where o.alarm_id = a.alarm_id), false) as woken
