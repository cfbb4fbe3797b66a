-- Whose signatures count. Written by the database's owner (`klyuchnik-handlers trust-firmware-key`), by nobody else:
-- whoever may sign may replace what every device runs.
create table devices.firmware_signers (
    name       text primary key,
    public_key bytea not null,
    trusted_at timestamptz not null,
    constraint firmware_signers_name_length check (char_length(name) between 1 and 40),
    constraint firmware_signers_key_is_ed25519 check (octet_length(public_key) = 32),
    constraint firmware_signers_key_once unique (public_key)
);

create table devices.firmware (
    version   text primary key,
    sha256    bytea not null references runtime.blobs,
    bytes     bigint not null,
    signature bytea not null,
    signer    text not null,
    notes     text not null,
    added_at  timestamptz not null,
    added_by  text not null,
    constraint firmware_version_length check (char_length(version) between 1 and 40),
    constraint firmware_signature_is_ed25519 check (octet_length(signature) = 64)
);

create table devices.rollouts (
    rollout_id   bigint generated always as identity primary key,
    version      text not null references devices.firmware,
    per_minute   integer not null,
    failures_max integer not null,
    state        text not null default 'running',
    started_at   timestamptz not null,
    started_by   text not null,
    ended_at     timestamptz,
    why          text,
    constraint rollouts_state_known check (state in ('running', 'done', 'stopped')),
    constraint rollouts_ended_whole check ((state = 'running') = (ended_at is null)),
    constraint rollouts_rate_range check (per_minute between 1 and 600)
);
create index rollouts_running on devices.rollouts (rollout_id) where state = 'running';

create table devices.rollout_devices (
    rollout_id    bigint not null references devices.rollouts,
    device_id     text not null references devices.devices,
    state         text not null default 'waiting',
    from_version  text,
    offered_at    timestamptz,
    offered_event bigint,           -- later events of the device belong to this offer
    ended_at      timestamptz,
    constraint rollout_devices_once primary key (rollout_id, device_id),
    constraint rollout_devices_state_known check (state in ('waiting', 'offered', 'updated', 'rolled_back', 'failed',
        'skipped')),
    constraint rollout_devices_offered_whole check ((offered_at is null) = (offered_event is null))
);
-- A device is offered one firmware at a time.
create unique index rollout_devices_one_open on devices.rollout_devices (device_id)
where state in ('waiting', 'offered');
-- A roll-out is stepped every second: who is open, how many are lost, and when the last offer was.
create index rollout_devices_open on devices.rollout_devices (rollout_id, device_id)
where state in ('waiting', 'offered');
create index rollout_devices_lost on devices.rollout_devices (rollout_id)
where state in ('rolled_back', 'failed');
create index rollout_devices_by_offer on devices.rollout_devices (rollout_id, offered_at)
where offered_at is not null;

grant select on devices.firmware_signers to kl_devices;
grant select, insert on devices.firmware to kl_devices;
grant select, insert, update on devices.rollouts, devices.rollout_devices to kl_devices;

create view api.firmware as
select version, encode(sha256, 'hex') as sha256, bytes, signer, notes, added_at, added_by from devices.firmware;

create view api.rollouts as
select r.rollout_id, r.version, r.per_minute, r.failures_max, r.state, r.started_at, r.started_by, r.ended_at, r.why,
       count(*) filter (where d.state = 'waiting') as waiting,
       count(*) filter (where d.state = 'offered') as offered,
       count(*) filter (where d.state = 'updated') as updated,
       count(*) filter (where d.state = 'rolled_back') as rolled_back,
       count(*) filter (where d.state = 'failed') as failed,
       count(*) filter (where d.state = 'skipped') as skipped
from devices.rollouts r
left join devices.rollout_devices d using (rollout_id)
group by r.rollout_id;

create view api.rollout_devices as
select rollout_id, device_id, state, from_version, offered_at, ended_at from devices.rollout_devices;

grant select on api.firmware, api.rollouts, api.rollout_devices to kl_bridge;
grant select on devices.firmware_signers, devices.firmware, devices.rollouts, devices.rollout_devices, api.firmware,
    api.rollouts, api.rollout_devices to kl_witness;
