-- $1 letter_id
select letter_id, domain, source, kind, state from runtime.dead_letters where letter_id = $1::bigint for update
