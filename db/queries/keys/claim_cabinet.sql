-- $1 now  $2 not looked at since  $3 how many of the first
-- The row is the cabinet's lock: whoever has it takes what is stale and makes the next version.
select c.cabinet, c.version, coalesce(encode(c.digest, 'hex'), '') as digest, c.too_large
from keys.cabinet_rights c
where c.cabinet in (select s.cabinet
                    from keys.stale_cabinets s
                    where s.due_at <= $1::timestamptz
                    order by s.due_at
                    limit $3::bigint)
  and c.looked_at <= $2::timestamptz
order by c.cabinet
limit 1
for update of c skip locked
