-- Keys with more than one open loan, or with a sensor's loan that began before the one before it had ended.
select count(*) as keys
from (select key_id from keys.loans where closed_at is null group by key_id having count(*) > 1) as twice
