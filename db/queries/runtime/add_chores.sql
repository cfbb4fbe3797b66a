-- $1 names  $2 periods in seconds
insert into runtime.chores as c (name, every)
select n.name, n.seconds * interval '1 second'
from unnest($1::text[], $2::bigint[]) as n (name, seconds)
on conflict (name) do update set every = excluded.every
where c.every <> excluded.every
