-- $1 accounts  $2 ask_ids  $3 digests  $4 answers  $5 answered_at  $6 expired
-- Only an answer that says "too late" may be replaced: nothing was done for it.
insert into runtime.inbox as i (account, ask_id, digest, answer, answered_at, expired)
select n.account, n.ask_id, n.digest, n.answer, $5::timestamptz, n.expired
from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $6::boolean[])
    as n (account, ask_id, digest, answer, expired)
on conflict (account, ask_id) do update
set digest = excluded.digest, answer = excluded.answer, answered_at = excluded.answered_at,
    expired = excluded.expired
where i.expired
