-- $1 sha256, hex  $2 now
-- No row: the parts make up something else.
insert into runtime.blobs (sha256, bytes, content, used_at)
select decode($1, 'hex'), octet_length(w.content), w.content, $2::timestamptz
from (select coalesce(string_agg(p.content, ''::bytea order by p.index), ''::bytea) as content
      from runtime.blob_parts p
      where p.sha256 = decode($1, 'hex')) w
where pg_catalog.sha256(w.content) = decode($1, 'hex')
on conflict (sha256) do update set used_at = excluded.used_at
returning bytes
