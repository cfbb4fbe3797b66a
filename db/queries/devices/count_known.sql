-- How many the guard should know.
select count(*) from (select distinct device_id from devices.credentials where revoked_at is null) k
