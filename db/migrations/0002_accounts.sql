create table accounts.people (
    person_id  bigint generated always as identity primary key,
    full_name  text not null,
    active     boolean not null default true,
    created_at timestamptz not null,
    constraint people_name_length check (char_length(full_name) between 1 and 100)
);

-- Every way a person is known, whichever system it came from. A card opens for one person only.
create table accounts.identifiers (
    kind      text not null,
    value     text not null,
    person_id bigint not null references accounts.people,
    added_at  timestamptz not null,
    -- The value first: every card has the same kind, and a look-up must not walk through all of them.
    constraint identifiers_belong_to_one_person primary key (value, kind),
    constraint identifiers_kind_known check (kind in ('card')),
    constraint identifiers_value_length check (char_length(value) between 1 and 50)
);
create index identifiers_by_person on accounts.identifiers (person_id);

-- Who can sign in. `person_id` is absent for the first administrator and for programs.
create table accounts.accounts (
    account_id    bigint generated always as identity primary key,
    login         text not null,
    password_hash text not null,
    role          text not null,
    person_id     bigint references accounts.people,
    active        boolean not null default true,
    created_at    timestamptz not null,
    constraint accounts_login_unique unique (login),
    constraint accounts_login_length check (char_length(login) between 1 and 100),
    constraint accounts_password_is_argon2id check (password_hash like '$argon2id$%'),
    constraint accounts_role_known check (role in ('admin'))
);

-- A session is known by the hash of its token: the table is worth nothing to a thief.
create table accounts.sessions (
    token_sha256 bytea primary key,
    account_id   bigint not null references accounts.accounts,
    opened_at    timestamptz not null,
    expires_at   timestamptz not null,
    constraint sessions_token_is_a_hash check (octet_length(token_sha256) = 32)
);
create index sessions_by_expiry on accounts.sessions (expires_at);

-- What other domains may know: who a card belongs to, and whether it still counts.
create view accounts.card_holders as
select i.value as card, p.person_id, p.active
from accounts.identifiers i
join accounts.people p using (person_id)
where i.kind = 'card';

create view accounts.known_people as
select person_id, active from accounts.people;

-- What every handler looks up itself before it does what was asked.
create view accounts.callers as
select account_id, role from accounts.accounts where active;

grant select on accounts.card_holders, accounts.known_people, accounts.callers to kl_runtime;
grant select, insert, update on accounts.people, accounts.accounts to kl_accounts;
grant select, insert, delete on accounts.identifiers, accounts.sessions to kl_accounts;
