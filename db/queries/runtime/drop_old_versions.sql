-- $1 device_id  $2 direction  $3 name  $4 version
-- The one before this version stays: a device may be in the middle of it.
delete from runtime.documents
where device_id = $1 and direction = $2 and name = $3
  and version < (select max(p.version) from runtime.documents p
                 where p.device_id = $1 and p.direction = $2 and p.name = $3 and p.version < $4::bigint)
returning encode(sha256, 'hex') as sha256, made_at
