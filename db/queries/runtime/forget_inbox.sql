-- $1 older than  $2 most rows
delete from runtime.inbox
where (account, ask_id) in (select account, ask_id from runtime.inbox
                            where answered_at < $1::timestamptz
                            limit $2::bigint)
