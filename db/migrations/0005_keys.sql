create table keys.keys (
    key_id     bigint generated always as identity primary key,
    name       text not null,            -- written on the key, sent by cabinets
    room       text not null,
    tag        text,                     -- RFID tag on the ring
    cabinet    text,                     -- home of the key
    slot       integer,
    created_at timestamptz not null,
    constraint keys_name_unique unique (name),
    constraint keys_tag_unique unique (tag),
    constraint keys_home_unique unique (cabinet, slot),
    constraint keys_home_whole check ((cabinet is null) = (slot is null)),
    constraint keys_slot_range check (slot between 1 and 512),
    constraint keys_name_length check (char_length(name) between 1 and 50)
);

create table keys.rights (
    person_id  bigint not null,
    key_id     bigint not null references keys.keys,
    granted_at timestamptz not null,
    granted_by text not null,
    constraint rights_once primary key (person_id, key_id)
);
create index rights_by_key on keys.rights (key_id);

-- Ids are handed out in blocks of 100: a handler knows a loan's id before the row is written.
create sequence keys.loan_blocks;

create table keys.loans (
    loan_id       bigint primary key,
    key_id        bigint not null references keys.keys,
    person_id     bigint,                -- absent: taken without a known card
    opened_at     timestamptz not null,
    opened_by     text not null,         -- source message
    issued        boolean not null,      -- opened over HTTP for a cabinet without a sensor
    confirmed_at  timestamptz,           -- a sensor saw the key leave
    closed_at     timestamptz,
    closed_by     text,                  -- source message
    closed_person bigint,                -- who brought it back, where known
    closed_why    text,
    constraint loans_closed_whole check ((closed_at is null) = (closed_by is null)
                                     and (closed_at is null) = (closed_why is null)),
    constraint loans_closed_why_known check (closed_why in ('returned', 'superseded'))
);
-- A key has at most one holder, ever.
create unique index loans_one_open on keys.loans (key_id) where closed_at is null;
create index loans_by_key on keys.loans (key_id, loan_id);
create index loans_open_by_person on keys.loans (person_id) where closed_at is null;

-- A fact that broke a rule stays true; what was wrong with it stands here.
create table keys.conflicts (
    conflict_id bigint generated always as identity primary key,
    key_id      bigint,
    person_id   bigint,
    holder_id   bigint,
    loan_id     bigint,
    device_id   text not null,
    epoch       bigint not null,
    sequence    bigint not null,
    why         text not null,
    occurred_at timestamptz not null,
    noticed_at  timestamptz not null,
    constraint conflicts_why_known check (why in ('taken_while_held', 'taken_again', 'taken_without_right',
        'taken_by_unknown_card', 'taken_without_card', 'taken_by_inactive_person', 'returned_while_in',
        'unknown_key'))
);
create index conflicts_by_key on keys.conflicts (key_id, conflict_id);

grant select, insert on keys.keys, keys.conflicts to kl_keys;
grant update on keys.keys to kl_keys;
grant select, insert, delete on keys.rights to kl_keys;
grant select, insert, update on keys.loans to kl_keys;
grant usage on sequence keys.loan_blocks to kl_keys;
