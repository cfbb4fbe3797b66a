-- $1 person_id  $2 cards  $3 added_at
-- Fewer rows than cards: one of them belongs to somebody.
insert into accounts.identifiers (kind, value, person_id, added_at)
select 'card', card, $1::bigint, $3::timestamptz
from unnest($2::text[]) as card
on conflict do nothing
returning value
