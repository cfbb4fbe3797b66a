-- $1 domain  $2 after letter_id
select letter_id, source, kind, payload, coalesce(changed_by, '') as changed_by
from runtime.dead_letters
where domain = $1 and state = 'retrying' and letter_id > $2::bigint
order by letter_id
limit 1
for update skip locked
