select coalesce((select position from api.events order by position desc limit 1), 0) as position
