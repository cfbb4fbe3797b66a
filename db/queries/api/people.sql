-- $1 after person_id  $2 most rows  $3 name contains, like-escaped, or null  $4 card or null
select p.person_id, p.full_name, p.active, p.created_at, p.cards
from api.people p
where p.person_id > $1::bigint
  and ($3::text is null or p.full_name ilike '%' || $3::text || '%')
  and ($4::text is null or p.person_id in (select c.person_id from api.cards c where c.card = $4::text))
order by p.person_id
limit $2::bigint
