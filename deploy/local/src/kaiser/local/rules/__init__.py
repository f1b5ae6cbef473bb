"""``kaiser.local rules``: rules on the command line, over the REST API of this checkout or of any other Kaiser."""
