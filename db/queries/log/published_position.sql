-- $1 feed
select position from log.published where feed = $1
