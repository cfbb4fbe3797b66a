-- $1 after: version, empty text starts  $2 most rows
select version, sha256, bytes, signer, notes, added_at, added_by
from api.firmware
where version > $1
order by version
limit $2::bigint
