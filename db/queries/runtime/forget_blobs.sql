-- $1 not used since  $2 most rows
select runtime.forget_blobs($1::timestamptz, $2::bigint)
