-- $1 name  $2 position
update runtime.reactions set position = $2::bigint where name = $1
