-- A command was queued, or may be sent now.
listen kl_commands
