"""Who there is: users, sessions and keys as aggregates in the log."""
