-- $1 accounts  $2 ask_ids  $3 digests  $4 answers  $5 answered_at
insert into runtime.inbox (account, ask_id, digest, answer, answered_at)
select n.account, n.ask_id, n.digest, n.answer, $5::timestamptz
from unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) as n (account, ask_id, digest, answer)
