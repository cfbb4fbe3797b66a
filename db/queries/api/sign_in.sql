-- $1 login
select account_id, login, password_hash, role from api.sign_ins where login = $1
