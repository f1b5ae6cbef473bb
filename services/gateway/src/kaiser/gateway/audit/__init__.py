"""Who did what, from where, and what came of it: a chain of entries in the log, of which none can be changed alone."""
