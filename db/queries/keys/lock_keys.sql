-- $1 names  $2 tags  $3 cabinets  $4 slots  $5 key_ids
-- Decisions on one key happen one after the other, in whichever handler: the lock on its row is taken in id
-- order before its loan is read.
select k.key_id, k.name, k.tag, k.cabinet, k.slot
from keys.keys k
where k.key_id in (select key_id from keys.keys where name = any ($1::text[])
                   union select key_id from keys.keys where tag = any ($2::text[])
                   union select h.key_id from unnest($3::text[], $4::integer[]) as w (cabinet, slot)
                         join keys.keys h on h.cabinet = w.cabinet and h.slot = w.slot
                   union select key_id from keys.keys where key_id = any ($5::bigint[]))
order by k.key_id
for no key update
