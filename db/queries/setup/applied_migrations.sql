select number, name, checksum from public.klyuchnik_migrations order by number
