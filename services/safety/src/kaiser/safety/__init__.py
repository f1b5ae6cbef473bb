"""Safety: decides on every command, watches what runs, and can stop all of it."""
