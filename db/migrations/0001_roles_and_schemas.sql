-- One schema and one role per domain: a role can write its own tables only. Roles belong to the whole
-- cluster, so they may be there already when a second database is set up beside the first.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['kl_runtime', 'kl_accounts', 'kl_devices', 'kl_keys', 'kl_relay',
                                  'kl_bridge', 'kl_witness']
    loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception
                when duplicate_object or unique_violation then null;  -- another set-up was first
            end;
        end if;
    end loop;
end
$$;

-- What every handler may write besides its own tables: cursors, inbox, facts, dead letters, the log.
grant kl_runtime to kl_accounts, kl_devices, kl_keys;

create schema accounts;
create schema devices;
create schema keys;
create schema runtime;
create schema log;
create schema api;

revoke all on schema public from public;
grant usage on schema accounts, devices, runtime, log to kl_runtime;
grant usage on schema keys to kl_keys;
grant usage on schema accounts, runtime, log to kl_relay;
grant usage on schema api to kl_bridge;
