-- No row is an answer too: it says that the schema is there and may be read.
select 1 from api.events limit 1
