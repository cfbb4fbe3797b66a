-- Commands to devices: a row for each, from the wish to its end. The dispatcher sends what is open until the
-- device has answered or the command has expired.
create table runtime.command_numbers (
    device_id text primary key,
    last      bigint not null default 0,
    constraint command_numbers_never_negative check (last >= 0)
) with (fillfactor = 80);

create table runtime.commands (
    command_id  bigint generated always as identity primary key,
    device_id   text not null,
    number      bigint not null,            -- cs: rising, of one device
    kind        text not null,
    content     jsonb not null,
    state       text not null default 'queued',
    made_at     timestamptz not null,
    made_by     text not null,
    expires_at  timestamptz not null,
    sent_at     timestamptz,                -- for the first time
    sendings    integer not null default 0,
    send_after  timestamptz not null,       -- while queued or sent: not before
    overdue_at  timestamptz not null,       -- while open: it ends then, if nothing more is heard
    accepted_at timestamptz,
    finished_at timestamptz,
    rc          integer,
    note        text,
    constraint commands_number_once unique (device_id, number),
    constraint commands_numbers_start_at_one check (number >= 1),
    constraint commands_state_known
        check (state in ('queued', 'sent', 'accepted', 'done', 'failed', 'expired', 'unknown')),
    constraint commands_expire_after_made check (expires_at > made_at),
    constraint commands_sent_were_sent check (state <> 'sent' or (sent_at is not null and sendings > 0)),
    constraint commands_end_when_finished
        check ((state in ('done', 'failed', 'expired', 'unknown')) = (finished_at is not null))
) with (fillfactor = 80);
create index commands_open_by_device on runtime.commands (device_id, number)
    where state in ('queued', 'sent', 'accepted');
create index commands_to_send on runtime.commands (send_after) where state in ('queued', 'sent');
create index commands_overdue on runtime.commands (overdue_at) where state in ('queued', 'sent', 'accepted');
create index commands_by_device on runtime.commands (device_id, command_id);
create index commands_by_end on runtime.commands (finished_at) where finished_at is not null;

-- Wakes the dispatchers when something new is queued.
create function runtime.wake_dispatchers() returns trigger language plpgsql as $$
begin
    perform pg_notify('kl_commands', '');
    return null;
end
$$;
create trigger commands_wake after insert on runtime.commands
for each statement execute function runtime.wake_dispatchers();

-- Alarms: what a person should know. One row for a kind and subject until it is resolved; history stays for a time.
create table runtime.alarms (
    alarm_id        bigint generated always as identity primary key,
    kind            text not null,
    subject         text not null,
    device_id       text,
    severity        smallint not null,      -- 1 to know, 2 to look at, 3 to act on
    raised_at       timestamptz not null,
    last_at         timestamptz not null,
    count           bigint not null default 1,
    state           text not null default 'open',
    snoozed_until   timestamptz,
    acknowledged_by text,
    acknowledged_at timestamptz,
    resolved_by     text,
    resolved_at     timestamptz,
    reason          text,
    ids             jsonb not null,
    constraint alarms_kind_is_a_word check (kind ~ '^[a-z][a-z_]{0,39}$'),
    constraint alarms_severity_known check (severity between 1 and 3),
    constraint alarms_state_known check (state in ('open', 'acknowledged', 'snoozed', 'resolved')),
    constraint alarms_snoozed_have_an_end check (state <> 'snoozed' or snoozed_until is not null),
    constraint alarms_resolved_have_a_reason
        check ((state = 'resolved') = (resolved_at is not null and resolved_by is not null and reason is not null))
) with (fillfactor = 80);
create unique index alarms_one_unresolved on runtime.alarms (kind, subject) where state <> 'resolved';
create index alarms_snoozed on runtime.alarms (snoozed_until) where state = 'snoozed';
create index alarms_by_device on runtime.alarms (device_id, alarm_id);
create index alarms_by_end on runtime.alarms (resolved_at) where resolved_at is not null;

-- What was set aside can be tried again, or given up with a reason.
alter table runtime.dead_letters
    add column state      text not null default 'open',
    add column tries      integer not null default 0,
    add column changed_by text,
    add column changed_at timestamptz,
    add column reason     text,
    add constraint dead_letters_state_known check (state in ('open', 'retrying', 'applied', 'discarded')),
    add constraint dead_letters_discarded_have_a_reason check (state <> 'discarded' or reason is not null);
create index dead_letters_retrying on runtime.dead_letters (domain, letter_id) where state = 'retrying';

-- Wakes those who do it: a letter is tried again in the domain that set it aside.
create function runtime.wake_retries() returns trigger language plpgsql as $$
begin
    perform pg_notify('kl_letters', '');
    return null;
end
$$;
create trigger dead_letters_wake after update on runtime.dead_letters
for each row when (new.state = 'retrying') execute function runtime.wake_retries();

insert into runtime.chores (name, every) values ('forget_commands', '1 hour'), ('forget_alarms', '1 day');

grant select, insert, update on runtime.command_numbers, runtime.commands, runtime.alarms to kl_runtime;
grant update on runtime.dead_letters to kl_runtime;
-- A fact that was set aside and then applied says so; nothing else of a fact ever changes.
grant update (outcome) on runtime.facts to kl_runtime;
-- Domains have regular work too, each a row here.
grant select, insert, update on runtime.chores to kl_runtime;
grant select, delete on runtime.commands, runtime.alarms to kl_relay;

create view api.commands as
select command_id, device_id, number, kind, content, state, made_at, made_by, expires_at, sent_at, sendings,
       accepted_at, finished_at, rc, note
from runtime.commands;

create view api.alarms as
select alarm_id, kind, subject, device_id, severity, raised_at, last_at, count, state, snoozed_until,
       acknowledged_by, acknowledged_at, resolved_by, resolved_at, reason, ids
from runtime.alarms;

create or replace view api.dead_letters as
select letter_id, domain, source, kind, why, set_aside_at, state, tries, changed_by, changed_at, reason, payload
from runtime.dead_letters;

grant select on api.commands, api.alarms to kl_bridge;
grant select on runtime.command_numbers, runtime.commands, runtime.alarms, api.commands, api.alarms to kl_witness;
