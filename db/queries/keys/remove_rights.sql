-- $1 person_ids  $2 key_ids  $3 ended_at  $4 ended_by
-- What ends is kept: a key that was taken offline is judged by what was known at that time.
with gone as (
    delete from keys.rights r
    using unnest($1::bigint[], $2::bigint[]) as n (person_id, key_id)
    where r.person_id = n.person_id and r.key_id = n.key_id
    returning r.person_id, r.key_id, r.granted_at, greatest($3::timestamptz, r.granted_at) as ended_at
), kept as (
    insert into keys.rights_ended (person_id, key_id, granted_at, ended_at, ended_by)
    select person_id, key_id, granted_at, ended_at, $4
    from gone
    on conflict do nothing
)
select person_id, key_id, granted_at, ended_at from gone
