-- $1 from
select least((select s.send_after
              from runtime.commands s
              where s.state in ('queued', 'sent') and s.send_after >= $1::timestamptz
              order by s.send_after
              limit 1),
             (select o.overdue_at
              from runtime.commands o
              where o.state in ('queued', 'sent', 'accepted') and o.overdue_at >= $1::timestamptz
              order by o.overdue_at
              limit 1)) as due
