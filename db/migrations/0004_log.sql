-- Append-only: audit, outbox and feed in one. Events hold ids only, so that a person can be forgotten.
-- `written_by` is the transaction: an event has its place only when every older transaction has ended,
-- because ids become visible out of commit order.
create sequence log.event_ids;
create table log.events (
    event_id    bigint not null default nextval('log.event_ids'),
    recorded_at timestamptz not null default clock_timestamp(),
    written_by  xid8 not null default pg_current_xact_id(),
    domain      text not null,
    type        text not null,
    subject     text not null,
    actor       text not null,
    source      text not null,
    occurred_at timestamptz not null,
    ids         jsonb not null,
    primary key (event_id, recorded_at)
) partition by range (recorded_at);
create index events_by_writer on log.events (written_by, event_id);
create index events_by_subject on log.events (subject, event_id);

-- One partition a month, made ahead of time; the default one catches what no month is ready for.
create table log.events_other partition of log.events default;

create function log.make_partitions(ahead integer) returns void
language plpgsql security definer set search_path = log, pg_temp as $$
declare
    month date := date_trunc('month', now())::date;
    name  text;
begin
    for i in 0..ahead loop
        name := 'events_' || to_char(month, 'YYYY_MM');
        if to_regclass('log.' || name) is null then
            execute format('create table log.%I partition of log.events for values from (%L) to (%L)',
                           name, month, month + interval '1 month');
        end if;
        month := month + interval '1 month';
    end loop;
end
$$;
revoke all on function log.make_partitions(integer) from public;
select log.make_partitions(2);

-- Every event's place, without gaps. The primary key is the fence: of two relays that believe they lead,
-- one fails here.
create table log.positions (
    position    bigint primary key,
    event_id    bigint not null,
    recorded_at timestamptz not null,
    written_by  xid8 not null,
    constraint positions_event_once unique (event_id)
);

-- How far the relay has published.
create table log.published (
    feed     text primary key,
    position bigint not null
);
insert into log.published (feed, position) values ('mqtt', 0);

-- Wakes the relay. Once per statement; PostgreSQL folds equal notices of one transaction into one.
create function log.wake() returns trigger language plpgsql as $$
begin
    perform pg_notify('kl_log', '');
    return null;
end
$$;
create trigger events_wake after insert on log.events
for each statement execute function log.wake();

grant usage on sequence log.event_ids to kl_runtime;
grant select, insert on log.events to kl_runtime;
grant execute on function log.make_partitions(integer) to kl_relay;
grant select on log.events to kl_relay;
grant select, insert on log.positions to kl_relay;
grant select, update on log.published to kl_relay;
grant select, update on runtime.chores to kl_relay;
grant select, delete on runtime.inbox, runtime.facts, runtime.epochs, runtime.dead_letters,
    runtime.device_conflicts to kl_relay;
grant select on runtime.cursors to kl_relay;
grant select, delete on accounts.sessions to kl_relay;
