-- $1 name
delete from devices.firmware_signers where name = $1 returning name
