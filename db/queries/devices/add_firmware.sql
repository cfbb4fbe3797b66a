-- $1 version  $2 sha256, hex  $3 signature, hex  $4 signer  $5 notes  $6 now  $7 by
-- No row: the version is there already.
insert into devices.firmware (version, sha256, bytes, signature, signer, notes, added_at, added_by)
select $1, b.sha256, b.bytes, decode($3, 'hex'), $4, $5, $6::timestamptz, $7
from runtime.blobs b
where b.sha256 = decode($2, 'hex')
on conflict do nothing
returning version
