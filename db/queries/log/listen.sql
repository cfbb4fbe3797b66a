-- Every event written wakes the relay.
listen kl_log
