-- $1 older than  $2 most rows
delete from runtime.dead_letters
where (letter_id) in (select letter_id from runtime.dead_letters
                  where set_aside_at < $1::timestamptz
                  limit $2::bigint)
