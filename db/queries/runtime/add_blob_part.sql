-- $1 sha256, hex  $2 index  $3 bytes  $4 total  $5 content  $6 now
insert into runtime.blob_parts (sha256, index, bytes, total, content, made_at)
values (decode($1, 'hex'), $2::integer, $3::bigint, $4::integer, $5::bytea, $6::timestamptz)
on conflict do nothing
