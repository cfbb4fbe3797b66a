select 1 from api.events limit 1
