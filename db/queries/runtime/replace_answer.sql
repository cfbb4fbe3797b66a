-- $1 account  $2 ask_id  $3 digest  $4 answer  $5 answered_at
insert into runtime.inbox (account, ask_id, digest, answer, answered_at, expired)
values ($1, $2, $3::bigint, $4, $5::timestamptz, false)
on conflict (account, ask_id) do update
set digest = excluded.digest, answer = excluded.answer, answered_at = excluded.answered_at, expired = false
