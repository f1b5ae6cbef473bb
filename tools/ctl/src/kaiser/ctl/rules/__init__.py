"""``kaiserctl rules``: rules on the command line, over the REST API."""
