-- $1 accounts  $2 ask_ids
select i.account, i.ask_id, i.digest, i.answer, i.expired
from unnest($1::text[], $2::text[]) as w (account, ask_id)
join runtime.inbox i using (account, ask_id)
