-- $1 domains  $2 types  $3 subjects  $4 actors  $5 sources  $6 occurred_at  $7 ids
insert into log.events (domain, type, subject, actor, source, occurred_at, ids)
select n.domain, n.type, n.subject, n.actor, n.source, n.occurred_at, n.ids::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[])
    as n (domain, type, subject, actor, source, occurred_at, ids)
