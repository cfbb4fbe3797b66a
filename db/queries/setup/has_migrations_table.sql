select to_regclass('public.klyuchnik_migrations') is not null
