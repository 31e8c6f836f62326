"""How many records a second `sync_data` copies, also if the target refuses some."""
