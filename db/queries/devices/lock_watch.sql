select watched_at, taken_at, listening_since from devices.fleet where only_row for update
