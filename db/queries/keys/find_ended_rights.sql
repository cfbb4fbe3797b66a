-- $1 person_ids  $2 key_ids  $3 times
-- The right that was the last one given before that time, if it has ended since then or before.
select w.number, e.granted_at, e.ended_at
from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) with ordinality as w (person_id, key_id, at, number)
cross join lateral (select r.granted_at, r.ended_at
                    from keys.rights_ended r
                    where r.person_id = w.person_id and r.key_id = w.key_id and r.granted_at <= w.at
                    order by r.granted_at desc, r.ended_at
                    limit 1) e
