-- $1 not used since  $2 most rows  $3 most bytes together
select gone, more from runtime.forget_blobs($1::timestamptz, $2::bigint, $3::bigint)
