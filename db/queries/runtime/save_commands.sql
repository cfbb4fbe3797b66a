-- $1 command_ids  $2 states  $3 sent_at  $4 sendings  $5 send_after  $6 overdue_at  $7 accepted_at  $8 finished_at
-- $9 rcs  $10 notes
update runtime.commands c
set state = n.state, sent_at = n.sent_at, sendings = n.sendings, send_after = n.send_after,
    overdue_at = n.overdue_at, accepted_at = n.accepted_at, finished_at = n.finished_at, rc = n.rc, note = n.note
from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::integer[], $5::timestamptz[], $6::timestamptz[],
            $7::timestamptz[], $8::timestamptz[], $9::integer[], $10::text[])
    as n (command_id, state, sent_at, sendings, send_after, overdue_at, accepted_at, finished_at, rc, note)
where c.command_id = n.command_id
