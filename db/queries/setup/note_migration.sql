-- $1 number  $2 name  $3 checksum
insert into public.klyuchnik_migrations (number, name, checksum)
values ($1::integer, $2, $3)
