create table devices.devices (
    device_id     text primary key,
    name          text not null,
    secret_sha256 bytea not null,
    active        boolean not null default true,
    created_at    timestamptz not null,
    -- The id is a topic level and a user name: anything else in it would widen what the device may say.
    constraint devices_id_form check (device_id ~ '^(kc|sg)-[a-z0-9]{4,18}$'),
    constraint devices_name_length check (char_length(name) between 1 and 100),
    constraint devices_secret_is_a_hash check (octet_length(secret_sha256) = 32)
);

create table devices.presence (
    device_id   text primary key references devices.devices,
    cn          bigint not null,
    state       text not null,
    since       timestamptz not null,
    firmware    text not null,
    heartbeat_s integer not null,
    constraint presence_state_known check (state in ('online', 'offline'))
);

create view devices.known_devices as
select device_id, active from devices.devices;

grant select on devices.known_devices to kl_runtime;
grant select, insert, update on devices.devices, devices.presence to kl_devices;

-- One row per device: how far its journal is committed. Its lock is what keeps a device's facts in order,
-- whichever handler they reach.
create table runtime.cursors (
    device_id      text primary key,
    cn             bigint not null default 0,   -- connection of the last birth
    epoch          bigint not null default 0,   -- 0: none issued yet
    acked          bigint not null default 0,   -- every fact of the epoch up to here is committed
    recent_first   bigint not null default 0,   -- digests of the last batch start at this sequence
    recent_digests bigint[] not null default '{}',
    boot           bigint not null default 0,
    booted_at      timestamptz,                 -- turns "ms since boot" into a time
    born_ms        bigint not null default 0,   -- ms since boot at the last birth: tells an older birth
    skipped        bigint not null default 0,   -- facts that came again
    constraint cursors_never_negative check (acked >= 0 and epoch >= 0)
) with (fillfactor = 70);

-- The same birth always gets the same epoch.
create table runtime.epochs (
    device_id text not null,
    cn        bigint not null,
    epoch     bigint not null,
    why       text not null,
    issued_at timestamptz not null,
    primary key (device_id, cn)
);
create index epochs_by_age on runtime.epochs (issued_at);

-- What devices reported, as they reported it. Kept for a time only: card numbers are in here.
create table runtime.facts (
    device_id   text not null,
    epoch       bigint not null,
    sequence    bigint not null,
    kind        text not null,
    occurred_at timestamptz not null,
    time_source text not null,      -- device: its own clock; boot: since a known boot; received: ours
    received_at timestamptz not null,
    digest      bigint not null,
    outcome     text not null,
    content     jsonb not null,
    -- The first number it was known by: its own, or the one it brings along from an earlier epoch.
    first_epoch    bigint not null,
    first_sequence bigint not null,
    constraint facts_once primary key (device_id, epoch, sequence),
    constraint facts_once_ever unique (device_id, first_epoch, first_sequence),
    constraint facts_time_source_known check (time_source in ('device', 'boot', 'received')),
    constraint facts_outcome_known check (outcome in ('applied', 'conflict', 'logged', 'unknown', 'set_aside'))
);
create index facts_by_receipt on runtime.facts using brin (received_at);

-- Loss is never silent: a range of facts that the server will not get any more.
create table runtime.device_gaps (
    device_id  text not null,
    epoch      bigint not null,
    first      bigint not null,
    last       bigint not null,
    why        text not null,
    noticed_at timestamptz not null,
    primary key (device_id, epoch, first),
    constraint device_gaps_are_ranges check (first <= last)
);

-- Two contents under one number: a restored or cloned device.
create table runtime.device_conflicts (
    device_id  text not null,
    epoch      bigint not null,
    sequence   bigint not null,
    digest     bigint not null,
    kind       text not null,
    content    jsonb not null,
    noticed_at timestamptz not null,
    primary key (device_id, epoch, sequence, digest)
);

-- An ask's answer, kept so that the same ask gets the same answer.
create table runtime.inbox (
    account     text not null,
    ask_id      text not null,
    digest      bigint not null,
    answer      text not null,
    answered_at timestamptz not null,
    expired     boolean not null,   -- came too late, nothing was done: a later copy may be
    constraint inbox_once primary key (account, ask_id)
);
create index inbox_by_age on runtime.inbox using brin (answered_at);

-- What could be read but not applied. Nothing is thrown away: an administrator looks.
create table runtime.dead_letters (
    letter_id    bigint generated always as identity primary key,
    domain       text not null,
    source       text not null,
    kind         text not null,
    payload      text not null,
    why          text not null,
    set_aside_at timestamptz not null
);

-- Regular work, claimed by whoever sees it due first.
create table runtime.chores (
    name   text primary key,
    due_at timestamptz not null default '-infinity',
    every  interval not null
);
insert into runtime.chores (name, every)
values ('make_partitions', '6 hours'), ('forget_inbox', '1 hour'), ('forget_facts', '1 hour'),
       ('forget_dead_letters', '1 day'), ('forget_device_conflicts', '1 day'),
       ('forget_sessions', '1 hour'), ('forget_epochs', '1 day');

grant select, insert, update on runtime.cursors, runtime.epochs, runtime.inbox to kl_runtime;
grant select, insert on runtime.facts, runtime.device_gaps, runtime.device_conflicts,
    runtime.dead_letters to kl_runtime;
