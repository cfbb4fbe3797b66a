-- $1 role  $2 SCRAM verifier
-- Called as text: ALTER ROLE takes no parameters. The function quotes both.
select format('alter role %I login password %L', $1::text, $2::text)
