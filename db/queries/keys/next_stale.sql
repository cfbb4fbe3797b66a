-- The first that is due, now or later.
select due_at from keys.stale_cabinets order by due_at limit 1
