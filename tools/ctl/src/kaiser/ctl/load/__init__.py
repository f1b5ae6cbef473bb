"""``kaiserctl load-test``: whether a site carries a load without losing anything."""
