"""``kaiserctl upgrade-check``: whether this release can be started on what is there. It changes nothing."""
