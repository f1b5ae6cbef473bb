"""Rules on the past: what of the log they look at, how it is read, and the process that does it."""
