-- $1 names
select name, due_at from runtime.chores where name = any ($1::text[])
