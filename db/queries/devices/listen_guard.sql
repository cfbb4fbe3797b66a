-- Who may connect to the broker has changed.
listen kl_guard
