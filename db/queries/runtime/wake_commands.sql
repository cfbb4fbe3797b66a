-- $1 device_ids  $2 send after  $3 now
-- The next one of each device, also where it is awake already: a dispatcher that was about to put it to sleep, because
-- it could not see what we have done, holds the row or finds it held.
with woken as (
    update runtime.commands c
    set send_after = $2::timestamptz
    from unnest($1::text[]) as d (device_id),
         lateral (select o.command_id
                  from runtime.commands o
                  where o.device_id = d.device_id and o.state in ('queued', 'sent')
                    and o.expires_at > $3::timestamptz
                  order by o.number
                  limit 1) as next
    where c.command_id = next.command_id
    returning c.command_id)
select pg_notify('kl_commands', '') where exists (select from woken)
