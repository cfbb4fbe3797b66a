-- $1 older than  $2 most rows
delete from runtime.commands
where command_id in (select command_id from runtime.commands
                     where finished_at < $1::timestamptz
                     limit $2::bigint)
