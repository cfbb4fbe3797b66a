-- $1 person_id
select person_id, full_name, active, created_at, cards from api.people where person_id = $1::bigint
