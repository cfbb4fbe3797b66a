-- As it was last counted.
select devices from devices.fleet where only_row
