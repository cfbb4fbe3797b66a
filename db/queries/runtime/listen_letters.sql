-- A message that was set aside is to be tried again.
listen kl_letters
