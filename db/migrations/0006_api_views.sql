-- What the bridge may read: these views and nothing else. It writes nothing anywhere.
create view api.sign_ins as
select account_id, login, password_hash, role from accounts.accounts where active;

create view api.sessions as
select s.token_sha256, s.expires_at, a.account_id, a.login, a.role
from accounts.sessions s
join accounts.accounts a using (account_id)
where a.active;

create view api.device_credentials as
select device_id, secret_sha256 from devices.devices where active;

create view api.devices as
select d.device_id, d.name, d.active, d.created_at, coalesce(p.state, 'unknown') as state, p.since, p.firmware,
       c.epoch, c.acked
from devices.devices d
left join devices.presence p using (device_id)
left join runtime.cursors c using (device_id);

create view api.people as
select p.person_id, p.full_name, p.active, p.created_at,
       array(select i.value from accounts.identifiers i
             where i.person_id = p.person_id and i.kind = 'card' order by i.value) as cards
from accounts.people p;

create view api.cards as
select i.value as card, i.person_id from accounts.identifiers i where i.kind = 'card';

create view api.keys as
select k.key_id, k.name, k.room, k.tag, k.cabinet, k.slot, k.created_at,
       l.loan_id, l.person_id as holder_id
from keys.keys k
left join keys.loans l on l.key_id = k.key_id and l.closed_at is null;

create view api.rights as
select r.person_id, r.key_id, r.granted_at, r.granted_by, k.name as key_name, p.full_name
from keys.rights r
join keys.keys k using (key_id)
join accounts.people p using (person_id);

create view api.loans as
select l.loan_id, l.key_id, k.name as key_name, k.room, l.person_id, p.full_name, l.opened_at, l.opened_by,
       l.issued, l.confirmed_at, l.closed_at, l.closed_by, l.closed_person, l.closed_why
from keys.loans l
join keys.keys k using (key_id)
left join accounts.people p using (person_id);

create view api.conflicts as
select c.conflict_id, c.key_id, c.person_id, c.holder_id, c.loan_id, c.device_id, c.epoch, c.sequence, c.why,
       c.occurred_at, c.noticed_at
from keys.conflicts c;

create view api.events as
select n.position, e.recorded_at, e.domain, e.type, e.subject, e.actor, e.source, e.occurred_at, e.ids
from log.positions n
join log.events e on e.event_id = n.event_id and e.recorded_at = n.recorded_at;

-- The log of one thing, by the order of its own events; here an event needs no place in the feed yet.
create view api.subject_events as
select e.event_id, e.recorded_at, e.domain, e.type, e.subject, e.actor, e.source, e.occurred_at, e.ids
from log.events e;

create view api.dead_letters as
select letter_id, domain, source, kind, why, set_aside_at from runtime.dead_letters;

create view api.device_gaps as
select device_id, epoch, first, last, why, noticed_at from runtime.device_gaps;

grant select on all tables in schema api to kl_bridge;

-- The witness compares what simulators wrote down with what is stored. It reads everything, writes nothing.
grant usage on schema accounts, devices, keys, runtime, log, api to kl_witness;
grant select on all tables in schema accounts, devices, keys, runtime, log, api to kl_witness;
revoke select on accounts.accounts, accounts.sessions, devices.devices, api.sign_ins, api.sessions,
    api.device_credentials from kl_witness;
