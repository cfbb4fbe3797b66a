-- $1 device_ids  $2 cns
select e.device_id, e.cn, e.epoch
from unnest($1::text[], $2::bigint[]) as w (device_id, cn)
join runtime.epochs e using (device_id, cn)
