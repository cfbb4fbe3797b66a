grant select on public.klyuchnik_migrations to public
