-- $1 device_id  $2 name  $3 sha256, hex  $4 now
-- No row: the chunks make up something else.
insert into runtime.blobs (sha256, bytes, content, used_at)
select decode($3, 'hex'), octet_length(w.content), w.content, $4::timestamptz
from (select coalesce(string_agg(c.content, ''::bytea order by c.index), ''::bytea) as content
      from runtime.upload_chunks c
      where c.device_id = $1 and c.name = $2) w
where pg_catalog.sha256(w.content) = decode($3, 'hex')
on conflict (sha256) do update set used_at = excluded.used_at
returning bytes
