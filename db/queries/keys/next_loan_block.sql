select nextval('keys.loan_blocks')
