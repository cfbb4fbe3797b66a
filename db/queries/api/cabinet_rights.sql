-- $1 cabinet
select version, pairs, too_large, looked_at from api.cabinet_rights where cabinet = $1
