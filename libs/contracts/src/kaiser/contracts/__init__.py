"""Wire messages, events, topics, subjects and codes: what the services agree on."""
