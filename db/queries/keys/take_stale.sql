-- $1 cabinet
delete from keys.stale_cabinets where cabinet = $1
