-- $1 person_id
select 1 from accounts.people where person_id = $1::bigint
