-- $1 cards
select value from accounts.identifiers where kind = 'card' and value = any ($1::text[])
