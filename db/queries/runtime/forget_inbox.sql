-- $1 older than  $2 most rows
-- By their places: a look-up in the primary key for each would cost more than the rest.
delete from runtime.inbox
where ctid = any (array(select ctid from runtime.inbox
                        where answered_at < $1::timestamptz
                        order by answered_at
                        limit $2::bigint))
