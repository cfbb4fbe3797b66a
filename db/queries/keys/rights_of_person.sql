-- $1 person_id
select key_id from keys.rights where person_id = $1::bigint
