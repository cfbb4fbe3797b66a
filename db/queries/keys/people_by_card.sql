-- $1 cards
select card, person_id, active from accounts.card_holders where card = any ($1::text[])
