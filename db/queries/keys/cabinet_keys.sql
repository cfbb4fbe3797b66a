-- $1 cabinet
select key_id, slot, name from keys.keys where cabinet = $1 order by slot
