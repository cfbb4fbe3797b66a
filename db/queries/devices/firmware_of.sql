-- $1 version
select encode(sha256, 'hex') as sha256 from devices.firmware where version = $1
