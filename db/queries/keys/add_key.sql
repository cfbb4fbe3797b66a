-- $1 name  $2 room  $3 tag  $4 cabinet  $5 slot  $6 created_at
-- No row: name, tag or place is in use.
insert into keys.keys (name, room, tag, cabinet, slot, created_at)
values ($1, $2, $3, $4, $5::integer, $6::timestamptz)
on conflict do nothing
returning key_id
