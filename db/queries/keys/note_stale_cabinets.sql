-- $1 cabinets  $2 key_ids  $3 person_ids  $4 due_at
-- Cabinets themselves, the homes of keys, and the homes of all keys that people may take.
with stale as (
    select unnest($1::text[]) as cabinet
    union
    select k.cabinet from keys.keys k where k.key_id = any ($2::bigint[]) and k.cabinet is not null
    union
    select k.cabinet
    from keys.rights r
    join keys.keys k using (key_id)
    where r.person_id = any ($3::bigint[]) and k.cabinet is not null
), known as (
    insert into keys.cabinet_rights (cabinet) select cabinet from stale order by cabinet on conflict do nothing
)
insert into keys.stale_cabinets (cabinet, due_at)
select cabinet, $4::timestamptz from stale
