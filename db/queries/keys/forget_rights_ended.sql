-- $1 ended before  $2 most rows
delete from keys.rights_ended
where (person_id, key_id, granted_at, ended_at) in (select person_id, key_id, granted_at, ended_at
                                                    from keys.rights_ended
                                                    where ended_at < $1::timestamptz
                                                    limit $2::bigint)
