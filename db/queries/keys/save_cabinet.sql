-- $1 cabinet  $2 version  $3 digest, hex  $4 pairs  $5 too_large  $6 looked_at
update keys.cabinet_rights
set version = $2::bigint, digest = decode(nullif($3, ''), 'hex'), pairs = $4::integer, too_large = $5::boolean,
    looked_at = $6::timestamptz
where cabinet = $1
