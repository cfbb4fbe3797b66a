-- $1 feed  $2 position
update log.published set position = $2::bigint where feed = $1 and position < $2::bigint
