"""``kaiserctl``: one command line for those who operate Kaiser; ``make ctl ARGS="status"``."""
