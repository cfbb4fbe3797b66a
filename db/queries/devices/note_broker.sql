-- $1 instance  $2 boot  $3 now
-- A row: it has started anew, and nobody has noted that before.
insert into devices.brokers as b (instance, boot, since)
values ($1, $2, $3::timestamptz)
on conflict (instance) do update
set boot = excluded.boot, since = excluded.since
where b.boot <> excluded.boot
returning instance
