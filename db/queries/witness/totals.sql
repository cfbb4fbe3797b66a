select (select coalesce(sum(skipped), 0) from runtime.cursors) as skipped,
       (select count(*) from runtime.dead_letters) as dead_letters,
       (select count(*) from runtime.device_gaps) as gaps,
       (select count(*) from runtime.device_conflicts) as device_conflicts,
       (select count(*) from keys.conflicts) as key_conflicts,
       (select count(*) from keys.loans) as loans,
       (select coalesce(max(position), 0) from log.positions) as last_position,
       (select count(*) from log.positions) as positions,
       (select count(*) from log.events) as events
