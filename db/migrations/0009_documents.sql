-- Documents in both directions: rights and firmware to devices, logs from them. Content is kept once, under its
-- hash; who may read which document is said beside it.

create table runtime.blobs (
    sha256  bytea primary key,
    bytes   bigint not null,
    content bytea not null,
    used_at timestamptz not null,    -- somebody began to refer to it: it is not forgotten for a day from then
    constraint blobs_name_is_their_hash check (sha256 = pg_catalog.sha256(content)),
    constraint blobs_bytes_are_counted check (bytes = octet_length(content)),
    constraint blobs_size check (bytes <= 8388608)
);
-- Not compressed: a chunk from the middle is read without the rest.
alter table runtime.blobs alter column content set storage external;
create index blobs_by_use on runtime.blobs (used_at);

-- Pieces of uploads over HTTP, until the last one is here.
create table runtime.blob_parts (
    sha256  bytea not null,          -- of the whole
    index   integer not null,
    bytes   bigint not null,         -- of the whole
    total   integer not null,
    content bytea not null,
    made_at timestamptz not null,
    constraint blob_parts_once primary key (sha256, index),
    constraint blob_parts_size check (octet_length(content) <= 49152),
    constraint blob_parts_index_in_total check (index >= 0 and index < total)
);
create index blob_parts_by_age on runtime.blob_parts (made_at);

-- A version of a document of one device, either way. The present one has the highest number; it and the one before
-- are kept, so that a download that is under way can end.
create table runtime.documents (
    device_id text not null,
    direction text not null,
    name      text not null,
    version   bigint not null,
    sha256    bytea not null references runtime.blobs,
    bytes     bigint not null,
    made_at   timestamptz not null,
    constraint documents_once primary key (device_id, direction, name, version),
    constraint documents_direction_known check (direction in ('down', 'up')),
    constraint documents_name_length check (char_length(name) between 1 and 40),
    constraint documents_versions_start_at_one check (version >= 1)
);
create index documents_by_blob on runtime.documents (sha256);

-- What acks tell a device to fetch. Apart from its cursor, so that changing it never waits for its facts.
create table runtime.wanted (
    device_id      text primary key,
    rights_version bigint not null default 0,    -- cf; 0 = none
    firmware       text,                         -- fw
    constraint wanted_never_negative check (rights_version >= 0)
) with (fillfactor = 70);

-- What a device has announced and the server fetches, chunk by chunk. One a device and name; the row stays when it is
-- over, so that a device that invents names comes to an end.
create table runtime.uploads (
    device_id   text not null,
    name        text not null,
    sha256      bytea not null,
    bytes       bigint not null,
    state       text not null default 'open',
    total       integer,                       -- chunks; absent until the first one came
    chunk_bytes integer,                       -- of every chunk but the last
    have        integer not null default 0,    -- chunks 0 to have - 1 are here; later ones may be
    asked_last  integer not null default -1,   -- the last chunk that was asked for
    ask_after   timestamptz not null,          -- while open: not asked again before
    asks        integer not null default 0,    -- in a row that brought nothing
    failures    integer not null default 0,    -- times it was whole and its hash was wrong
    day         integer not null default 0,    -- since 1970: the last one on which it was begun,
    day_bytes   bigint not null default 0,     -- and the bytes that were announced under this name on that day
    changed_at  timestamptz not null,
    constraint uploads_once primary key (device_id, name),
    constraint uploads_state_known check (state in ('open', 'done', 'failed')),
    constraint uploads_size check (bytes between 0 and 8388608),
    constraint uploads_cut_whole check ((total is null) = (chunk_bytes is null)),
    constraint uploads_name_length check (char_length(name) between 1 and 40)
) with (fillfactor = 70);
create index uploads_to_ask on runtime.uploads (ask_after) where state = 'open';
create index uploads_by_age on runtime.uploads (changed_at);

create table runtime.upload_chunks (
    device_id text not null,
    name      text not null,
    index     integer not null,
    content   bytea not null,
    constraint upload_chunks_once primary key (device_id, name, index),
    constraint upload_chunks_belong foreign key (device_id, name) references runtime.uploads on delete cascade,
    constraint upload_chunks_size check (octet_length(content) <= 32768)
);
alter table runtime.upload_chunks alter column content set storage external;

-- How far each reaction has read the log. Whoever locks its row reads on.
create table runtime.reactions (
    name     text primary key,
    position bigint not null
);
insert into runtime.reactions (name, position)
select 'keys.rights_documents', coalesce(max(position), 0) from log.positions;

-- Wakes the reactions: they read the log by position, so they wait for places and not for events.
create function log.wake_reactions() returns trigger language plpgsql as $$
begin
    perform pg_notify('kl_placed', '');
    return null;
end
$$;
create trigger positions_wake after insert on log.positions
for each statement execute function log.wake_reactions();

-- The site. Its time zone is a name of PostgreSQL's; cabinets get offsets from it, with the next change.
create function runtime.is_time_zone(name text) returns boolean language sql immutable as $$
    select exists (select from pg_timezone_names z where z.name = $1)
$$;
create table runtime.site (
    only_row  boolean primary key default true,
    time_zone text not null default 'UTC',
    constraint site_is_one_row check (only_row),
    constraint site_time_zone_known check (runtime.is_time_zone(time_zone))
);
insert into runtime.site default values;

-- What the last birth said: how large a packet may be, and which rights the device had when it came.
alter table runtime.cursors
    add column packet_bytes_max integer not null default 256,
    add column rights_held      bigint not null default 0;

-- A blob that something refers to is kept, whoever that is: the foreign keys know. A statement ends after so many
-- bytes, since deleting takes as long as the content is large.
create function runtime.forget_blobs(before timestamptz, rows_max bigint, bytes_max bigint,
                                     out gone bigint, out more boolean) language plpgsql as $$
declare
    found record;
    seen  bigint := 0;
    freed bigint := 0;
begin
    gone := 0;
    more := false;
    for found in
        select b.sha256, b.bytes from runtime.blobs b
        where b.used_at < before
          and not exists (select from runtime.documents d where d.sha256 = b.sha256)
        order by b.used_at
        limit rows_max
    loop
        more := gone > 0 and freed + found.bytes > bytes_max;
        exit when more;
        begin
            delete from runtime.blobs b where b.sha256 = found.sha256 and b.used_at < before;
            gone := gone + 1;
            freed := freed + found.bytes;
        exception when foreign_key_violation then
            null;
        end;
        seen := seen + 1;
    end loop;
    more := more or (gone > 0 and seen = rows_max);
end
$$;
revoke all on function runtime.forget_blobs(timestamptz, bigint, bigint) from public;
grant execute on function runtime.forget_blobs(timestamptz, bigint, bigint) to kl_relay;

-- The same at once, for content of documents that are gone: none that somebody has used after `until`.
create function runtime.drop_blobs(hashes bytea[], until timestamptz[]) returns void language plpgsql as $$
declare
    found record;
begin
    for found in
        select n.sha256, n.until from unnest(hashes, until) as n (sha256, until)
        where not exists (select from runtime.documents d where d.sha256 = n.sha256)
    loop
        begin
            delete from runtime.blobs b where b.sha256 = found.sha256 and b.used_at <= found.until;
        exception when foreign_key_violation then
            null;
        end;
    end loop;
end
$$;
revoke all on function runtime.drop_blobs(bytea[], timestamptz[]) from public;
grant execute on function runtime.drop_blobs(bytea[], timestamptz[]) to kl_runtime;

-- Answers may be kept faster than an hourly chore forgets them; and once the space of those that are forgotten is used
-- again, a BRIN index can not tell their age any more.
update runtime.chores set every = '5 minutes' where name = 'forget_inbox';
drop index runtime.inbox_by_age;
create index inbox_by_age on runtime.inbox (answered_at);

insert into runtime.chores (name, every)
values ('forget_blob_parts', '1 hour'), ('forget_blobs', '1 hour'), ('forget_uploads', '1 day'),
       ('forget_rights_ended', '1 day');

grant select, insert, delete on runtime.blobs to kl_runtime;
grant update (used_at) on runtime.blobs to kl_runtime;
grant select, insert, delete on runtime.blob_parts, runtime.documents, runtime.upload_chunks to kl_runtime;
grant select, insert, update, delete on runtime.uploads to kl_runtime;
grant select, insert, update on runtime.wanted to kl_runtime;
grant select, update on runtime.reactions to kl_runtime;
grant select on runtime.site, log.positions to kl_runtime;
grant select, delete on runtime.blobs, runtime.blob_parts, runtime.uploads to kl_relay;
grant select on runtime.documents to kl_relay;

-- == rights of cabinets

-- The rights document of each cabinet: its row is locked by whoever makes the next version.
create table keys.cabinet_rights (
    cabinet   text primary key,
    version   bigint not null default 0,
    digest    bytea,                                      -- of what it says, whatever its version and salt
    pairs     integer not null default 0,                 -- of card and key
    too_large boolean not null default false,             -- what should be said does not fit: the last that did stays
    looked_at timestamptz not null default '-infinity'    -- computed for the last time
) with (fillfactor = 70);

-- Cabinets whose document may have changed. Rows are only added, and taken by whoever locks the cabinet's row above:
-- what changes while a document is made waits for the next one.
create table keys.stale_cabinets (
    stale_id bigint generated always as identity primary key,
    cabinet  text not null,
    due_at   timestamptz not null
);
create index stale_cabinets_by_due on keys.stale_cabinets (due_at);
create index stale_cabinets_by_cabinet on keys.stale_cabinets (cabinet);

insert into keys.cabinet_rights (cabinet) select device_id from devices.devices where device_id like 'kc-%';
insert into keys.stale_cabinets (cabinet, due_at) select cabinet, now() from keys.cabinet_rights;

-- Rights that somebody had and has no more: by them a key that was taken offline is judged when the cabinet is back.
create table keys.rights_ended (
    person_id  bigint not null,
    key_id     bigint not null,
    granted_at timestamptz not null,
    ended_at   timestamptz not null,
    ended_by   text not null,
    constraint rights_ended_once primary key (person_id, key_id, granted_at, ended_at)
);
create index rights_ended_by_age on keys.rights_ended (ended_at);

alter table keys.conflicts
    add column right_ended_at timestamptz,    -- the right had ended when the key was taken,
    add column rights_version bigint;         -- and these are the rights that the cabinet had

grant select, insert, update on keys.cabinet_rights to kl_keys;
grant select, insert, update, delete on keys.stale_cabinets to kl_keys;
grant select, insert on keys.rights_ended to kl_keys;
grant usage on schema keys to kl_relay;
grant select, delete on keys.rights_ended to kl_relay;

-- == what the bridge reads

create view api.documents as
select device_id, direction, name, version, encode(sha256, 'hex') as sha256, bytes, made_at from runtime.documents;

create view api.document_contents as
select d.device_id, d.direction, d.name, d.version, b.content
from runtime.documents d
join runtime.blobs b using (sha256);

create view api.uploads as
select device_id, name, encode(sha256, 'hex') as sha256, bytes, state, total, have, failures, changed_at
from runtime.uploads;

create view api.cabinet_rights as
select cabinet, version, pairs, too_large, nullif(looked_at, '-infinity') as looked_at from keys.cabinet_rights;

create or replace view api.conflicts as
select c.conflict_id, c.key_id, c.person_id, c.holder_id, c.loan_id, c.device_id, c.epoch, c.sequence, c.why,
       c.occurred_at, c.noticed_at, c.right_ended_at, c.rights_version
from keys.conflicts c;

create or replace view api.devices as
select d.device_id, d.name, d.place, d.active, d.created_at, d.revoked_at, d.revoked_why, d.generation,
       d.swapped_at, d.swapped_why, d.lease_s, d.away_s, p.state, p.since,
       d.active and p.left_at is not null and p.left_at + d.away_s * interval '1 s' <= now() as away,
       nullif(p.firmware, '') as firmware, p.heartbeat_s, p.packet_bytes_max,
       h.heard_at, h.rssi, h.uptime_s, h.content as telemetry,
       p.rights_version as rights_held, w.rights_version as rights_wanted,
       c.epoch, c.acked, greatest(c.born_hi - c.acked, 0) as unacked, c.clock_error_s
from devices.devices d
join devices.presence p using (device_id)
left join devices.heard h using (device_id)
left join runtime.cursors c using (device_id)
left join runtime.wanted w using (device_id);

grant select on api.documents, api.document_contents, api.uploads, api.cabinet_rights to kl_bridge;
grant select on runtime.blobs, runtime.blob_parts, runtime.documents, runtime.wanted, runtime.uploads,
    runtime.upload_chunks, runtime.reactions, runtime.site, keys.cabinet_rights, keys.stale_cabinets,
    keys.rights_ended, api.documents, api.document_contents, api.uploads, api.cabinet_rights to kl_witness;
