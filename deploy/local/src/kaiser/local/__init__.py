"""Kaiser on one machine without Docker: servers in user space, the processes' supervisor, and the demo."""
