-- $1 months ahead
select log.make_partitions($1::integer)
