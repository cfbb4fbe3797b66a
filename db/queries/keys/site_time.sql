-- $1 now
-- The site's offset from UTC in minutes; the first change of it within 400 days, to the minute, and the offset then.
select extract(epoch from (t.now at time zone z.time_zone) - (t.now at time zone 'UTC'))::integer / 60 as offset_min,
       m.at as change_at,
       extract(epoch from (m.at at time zone z.time_zone) - (m.at at time zone 'UTC'))::integer / 60 as after_min
from (select date_trunc('hour', $1::timestamptz) as now) t
cross join runtime.site z
left join lateral (
    select t.now + n * interval '1 day' as after_it
    from generate_series(1, 400) n
    where (t.now + n * interval '1 day') at time zone z.time_zone - (t.now + n * interval '1 day') at time zone 'UTC'
          <> t.now at time zone z.time_zone - t.now at time zone 'UTC'
    order by n
    limit 1) d on true
left join lateral (
    select d.after_it - interval '1 day' + n * interval '1 minute' as at
    from generate_series(1, 1440) n
    where (d.after_it - interval '1 day' + n * interval '1 minute') at time zone z.time_zone
              - (d.after_it - interval '1 day' + n * interval '1 minute') at time zone 'UTC'
          <> t.now at time zone z.time_zone - t.now at time zone 'UTC'
    order by n
    limit 1) m on true
