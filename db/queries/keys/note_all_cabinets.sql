-- $1 from  $2 seconds
-- Spread over the time, so that what changes meanwhile does not wait behind all of them.
insert into keys.stale_cabinets (cabinet, due_at)
select c.cabinet, $1::timestamptz + ((hashtext(c.cabinet) & 2147483647) % greatest($2::integer, 1)) * interval '1 s'
from keys.cabinet_rights c
