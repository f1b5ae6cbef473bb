"""``kaiserctl``: one command line for those who operate Kaiser, on this machine or elsewhere."""
