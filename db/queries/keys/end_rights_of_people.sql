-- $1 person_ids  $2 ended_at  $3 ended_by
-- Their rights stay as they are, for the day they may come back; what is noted is that they counted until then.
insert into keys.rights_ended (person_id, key_id, granted_at, ended_at, ended_by)
select r.person_id, r.key_id, r.granted_at, greatest(n.ended_at, r.granted_at), n.ended_by
from unnest($1::bigint[], $2::timestamptz[], $3::text[]) as n (person_id, ended_at, ended_by)
join keys.rights r using (person_id)
on conflict do nothing
