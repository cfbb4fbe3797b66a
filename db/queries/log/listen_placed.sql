-- Every event that got its place wakes the reactions.
listen kl_placed
