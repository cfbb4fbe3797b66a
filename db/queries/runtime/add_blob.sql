-- $1 sha256, hex  $2 content  $3 now
insert into runtime.blobs (sha256, bytes, content, used_at)
select decode($1, 'hex'), octet_length(c.content), c.content, $3::timestamptz
from (select $2::bytea as content) c
on conflict (sha256) do update set used_at = excluded.used_at
