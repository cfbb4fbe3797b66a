select k.name as key_name, l.person_id from keys.loans l join keys.keys k using (key_id) where l.closed_at is null
