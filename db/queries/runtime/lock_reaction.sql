-- $1 name
-- Whoever has the row reads on; the others have nothing to do.
select position from runtime.reactions where name = $1 for update skip locked
