-- $1 rollout_id  $2 failures that matter
select (select count(*)
        from (select
              from devices.rollout_devices f
              where f.rollout_id = $1 and f.state in ('rolled_back', 'failed')
              limit $2::bigint) as lost) as failures,
       (select o.offered_at
        from devices.rollout_devices o
        where o.rollout_id = $1 and o.offered_at is not null
        order by o.offered_at desc
        limit 1) as last_offer
