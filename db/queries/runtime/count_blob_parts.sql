-- $1 sha256, hex  $2 bytes  $3 total  $4 index
select count(*) as here, coalesce(bool_and(bytes = $2::bigint and total = $3::integer), true) as consistent,
       coalesce(bool_or(index = $4::integer), false) as known
from runtime.blob_parts
where sha256 = decode($1, 'hex')
