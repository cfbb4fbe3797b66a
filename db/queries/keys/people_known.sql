-- $1 person_ids
select person_id, active from accounts.known_people where person_id = any ($1::bigint[])
