-- $1 person_ids  $2 key_ids
delete from keys.rights r
using unnest($1::bigint[], $2::bigint[]) as n (person_id, key_id)
where r.person_id = n.person_id and r.key_id = n.key_id
returning r.person_id, r.key_id
