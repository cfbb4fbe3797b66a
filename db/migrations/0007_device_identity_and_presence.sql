-- Who a device is: its place, its identity generation, its credentials and the codes that it gets them with.
-- Where it is: online, offline, or unknown, since when, and what was last heard of it.

-- == identity

alter table devices.devices
    add column place       text not null default '',
    add column generation  integer not null default 1,      -- of the identity: one more with every swap
    add column lease_s     integer not null default 259200, -- how long it may decide without the server
    add column away_s      integer not null default 900,    -- away for longer is an alarm
    add column swapped_at  timestamptz,                      -- of the present generation
    add column swapped_why text,
    add column revoked_at  timestamptz,
    add column revoked_why text,
    add constraint devices_place_length check (char_length(place) <= 200),
    add constraint devices_generation_rises check (generation >= 1),
    add constraint devices_lease_range check (lease_s between 0 and 7776000),
    add constraint devices_away_range check (away_s between 1 and 7776000),
    add constraint devices_revoked_whole check (active = (revoked_at is null)
                                            and active = (revoked_why is null)) not valid;
-- Nothing could make a device inactive before; a row that somebody changed by hand gets its reason here.
update devices.devices set revoked_at = now(), revoked_why = 'before revocation was recorded' where not active;
alter table devices.devices validate constraint devices_revoked_whole;

-- What a device proves itself with. Of a secret or a certificate only the hash is here; the broker's guard
-- answers from the living ones.
create table devices.credentials (
    credential_id bigint generated always as identity primary key,
    device_id     text not null references devices.devices,
    place         smallint not null,      -- 1..4: a device has no more living ones than there are places
    generation    integer not null,
    kind          text not null,
    sha256        bytea not null,
    made_at       timestamptz not null,
    ends_at       timestamptz,            -- absent: until it is replaced
    revoked_at    timestamptz,            -- dead since; a living one has none
    nonce_sha256  bytea,                  -- of the claim or rotation that made it: tells its repeat
    why           text not null,
    -- Once dead it stays dead: a hash never comes back, for no device.
    constraint credentials_hash_once unique (sha256),
    constraint credentials_hash_is_a_hash check (octet_length(sha256) = 32),
    constraint credentials_nonce_is_a_hash check (octet_length(nonce_sha256) = 32),
    constraint credentials_kind_known check (kind in ('secret', 'certificate')),
    constraint credentials_why_known check (why in ('claimed', 'rotated', 'before_claims')),
    constraint credentials_at_most_four check (place between 1 and 4)
);
create unique index credentials_place_once on devices.credentials (device_id, place) where revoked_at is null;
create index credentials_by_device on devices.credentials (device_id, credential_id);
create index credentials_by_end on devices.credentials (ends_at) where revoked_at is null;

insert into devices.credentials (device_id, place, generation, kind, sha256, made_at, why)
select device_id, 1, 1, 'secret', secret_sha256, created_at, 'before_claims' from devices.devices where active;

-- The code that a device is to show, once. One row a device: another code is the end of the one before.
create table devices.claims (
    device_id    text primary key references devices.devices,
    code_sha256  bytea not null,
    made_at      timestamptz not null,
    made_by      text not null,
    ends_at      timestamptz not null,
    used_at      timestamptz,
    nonce_sha256 bytea,                   -- who used it: only that one may repeat it
    constraint claims_code_is_a_hash check (octet_length(code_sha256) = 32),
    constraint claims_nonce_is_a_hash check (octet_length(nonce_sha256) = 32),
    constraint claims_used_whole check ((used_at is null) = (nonce_sha256 is null))
);

-- Devices of which the guard has not been told yet. Whatever changes who may come in puts its device here, in
-- its own transaction; who told the guard takes it away if nothing has changed meanwhile.
create sequence devices.guard_stamps;
create table devices.guard_outbox (
    device_id text primary key,
    stamp     bigint not null
);

create function devices.tell_guard() returns trigger language plpgsql as $$
begin
    insert into devices.guard_outbox as o (device_id, stamp)
    select c.device_id, nextval('devices.guard_stamps')
    from (select distinct device_id from changed order by device_id) c
    on conflict (device_id) do update set stamp = excluded.stamp;
    -- A statement that changes no row fires too: who looks for what is due would wake itself for ever.
    if found then
        perform pg_notify('kl_guard', '');
    end if;
    return null;
end
$$;
create trigger credentials_tell_guard_of_new after insert on devices.credentials
referencing new table as changed for each statement execute function devices.tell_guard();
create trigger credentials_tell_guard_of_changed after update on devices.credentials
referencing new table as changed for each statement execute function devices.tell_guard();

-- == presence

-- A broker that started anew has another boot: whoever was online is unknown then.
create table devices.brokers (
    instance text primary key,
    boot     text not null,
    since    timestamptz not null
);

-- Every device has its row from the beginning.
alter table devices.presence
    add column packet_bytes_max integer not null default 0,   -- rx: 0 = never born
    add column rights_version   bigint not null default 0,    -- cf: of the rights document that it has
    add column last_command     bigint not null default 0,    -- cs: the last that it has seen
    add column boot             bigint not null default 0,
    add column left_at          timestamptz,                  -- not online since
    add column away_at          timestamptz,                  -- due to be raised as away; then absent
    add column births           integer not null default 0,   -- connections within one minute,
    add column births_since     timestamptz,                  -- from here
    add column flooded_at       timestamptz,                  -- the last report of a flood that was noted
    alter column cn set default 0,
    alter column state set default 'unknown',
    alter column firmware set default '',
    alter column heartbeat_s set default 30,
    drop constraint presence_state_known,
    add constraint presence_state_known check (state in ('online', 'offline', 'unknown'));
update devices.presence set left_at = since where state = 'offline';
insert into devices.presence (device_id, since)
select device_id, created_at from devices.devices
on conflict do nothing;
create index presence_by_state on devices.presence (state, device_id);
create index presence_by_away on devices.presence (away_at) where away_at is not null;

-- What was last heard, apart from presence: this is written again and again, and nothing refers to it, so that
-- a write stays on its page.
create table devices.heard (
    device_id  text primary key,
    heard_at   timestamptz not null,
    rssi       integer,                   -- dBm
    uptime_s   bigint,
    content    jsonb,                     -- the last telemetry as it came
    sampled_at timestamptz                -- of the newest row of its history
) with (fillfactor = 50);

-- The history: a sample each quarter of an hour; after a week the first of every hour stays.
create table devices.telemetry (
    device_id text not null,
    at        timestamptz not null,
    rssi      integer,
    uptime_s  bigint,
    content   jsonb not null,
    hourly    boolean not null,           -- the first of its hour
    constraint telemetry_once primary key (device_id, at)
);
create index telemetry_to_thin on devices.telemetry (at) where not hourly;
create index telemetry_to_forget on devices.telemetry (at) where hourly;

-- How many devices there are: every ack says over how long they are to spread their return. And since when we have
-- been listening to them: our own absence is not their silence.
create table devices.fleet (
    only_row        boolean primary key default true,
    devices         bigint not null,
    counted_at      timestamptz not null,
    watched_at      timestamptz not null default now(),   -- silence was last looked for
    taken_at        timestamptz not null default now(),   -- something was last taken from the broker, roughly
    listening_since timestamptz not null default now(),   -- without a break
    constraint fleet_is_one_row check (only_row)
);
insert into devices.fleet (devices, counted_at)
select count(*), now() from devices.devices where active;

-- == the journal's side

alter table runtime.cursors
    add column generation    integer not null default 1,  -- of the last birth; behind the device's: it was swapped
    add column born_hi       bigint not null default 0,   -- facts above this were made on the present connection
    add column clock_error_s bigint;                      -- of the device's clock: at least so far ahead, or behind

-- == who may

drop view api.device_credentials;
alter table devices.devices drop column secret_sha256;

create or replace view devices.known_devices as
select device_id, active, generation, lease_s from devices.devices;

-- Where something can be sent to right now.
create view devices.present_devices as
select p.device_id, p.cn, p.packet_bytes_max
from devices.presence p
join devices.devices d using (device_id)
where p.state = 'online' and d.active;

grant select on devices.present_devices, devices.fleet to kl_runtime;
grant select, insert, update on devices.credentials, devices.brokers, devices.heard to kl_devices;
grant select, insert, update, delete on devices.claims, devices.guard_outbox to kl_devices;
grant select, insert, delete on devices.telemetry to kl_devices;
grant update on devices.fleet to kl_devices;
grant usage on sequence devices.guard_stamps to kl_devices;

-- == what the bridge reads

create view api.device_credentials as
select c.device_id, c.sha256 as secret_sha256
from devices.credentials c
join devices.devices d using (device_id)
where d.active and c.kind = 'secret' and c.revoked_at is null and (c.ends_at is null or c.ends_at > now());

create view api.credentials as
select credential_id, device_id, generation, kind, made_at, ends_at, revoked_at, why from devices.credentials;

create view api.claims as
select device_id, made_at, made_by, ends_at, used_at from devices.claims;

-- Whether a code that is shown once more still counts: whoever asks has its hash already.
create view api.open_claims as
select device_id, code_sha256, ends_at from devices.claims where used_at is null and ends_at > now();

create view api.telemetry as
select device_id, at, rssi, uptime_s, content from devices.telemetry;

drop view api.devices;
create view api.devices as
select d.device_id, d.name, d.place, d.active, d.created_at, d.revoked_at, d.revoked_why, d.generation,
       d.swapped_at, d.swapped_why, d.lease_s, d.away_s, p.state, p.since,
       d.active and p.left_at is not null and p.left_at + d.away_s * interval '1 s' <= now() as away,
       nullif(p.firmware, '') as firmware, p.heartbeat_s, p.packet_bytes_max,
       h.heard_at, h.rssi, h.uptime_s, h.content as telemetry,
       p.rights_version as rights_held, null::bigint as rights_wanted,
       c.epoch, c.acked, greatest(c.born_hi - c.acked, 0) as unacked, c.clock_error_s
from devices.devices d
join devices.presence p using (device_id)
left join devices.heard h using (device_id)
left join runtime.cursors c using (device_id);

grant select on api.device_credentials, api.credentials, api.claims, api.open_claims, api.telemetry, api.devices
    to kl_bridge;

grant select on devices.devices, devices.guard_outbox, devices.brokers, devices.heard, devices.telemetry,
    devices.fleet, devices.present_devices, api.credentials, api.claims, api.telemetry, api.devices to kl_witness;
