-- $1 device_id
-- Waits for a birth that is being marked: whoever ends an identity comes after it, and is not undone by it.
select device_id from runtime.cursors where device_id = $1 for update
