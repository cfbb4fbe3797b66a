-- $1 full_name  $2 created_at
insert into accounts.people (full_name, created_at)
values ($1, $2::timestamptz)
returning person_id
