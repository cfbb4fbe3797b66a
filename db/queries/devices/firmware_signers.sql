-- Few rows: the site's own keys.
select name, encode(public_key, 'hex') as public_key from devices.firmware_signers order by name
