select count(*) as unresolved from runtime.alarms where state <> 'resolved'
