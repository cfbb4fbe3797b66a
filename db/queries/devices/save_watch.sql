-- $1 watched_at  $2 listening_since
update devices.fleet set watched_at = $1::timestamptz, listening_since = $2::timestamptz where only_row
