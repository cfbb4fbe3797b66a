-- $1 device_ids  $2 queued until  $3 accepted above  $4 sent above
-- (The limit is more than a device can have open; it has the inner look go by device. What changed its state while we
-- waited for it is judged again; as a case, so that the state finds no row by itself.)
select c.command_id, c.device_id, c.number, c.kind, c.content, c.state, c.made_at, c.expires_at, c.sent_at, c.sendings,
       c.send_after, c.overdue_at, c.accepted_at, c.finished_at, c.rc, c.note
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
         as w (device_id, queued_until, accepted_above, sent_above),
     lateral (select o.command_id
              from runtime.commands o
              where o.device_id = w.device_id and o.state in ('queued', 'sent', 'accepted')
                and ((o.state = 'queued' and o.number <= w.queued_until)
                     or (o.state = 'accepted' and o.number > w.accepted_above)
                     or (o.state = 'sent' and o.number > w.sent_above))
              order by o.number
              limit 100) as f
join runtime.commands c on c.command_id = f.command_id
where case c.state when 'queued' then c.number <= w.queued_until
                   when 'accepted' then c.number > w.accepted_above
                   when 'sent' then c.number > w.sent_above
                   else false end
order by c.command_id
for update of c
