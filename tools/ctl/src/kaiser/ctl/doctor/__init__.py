"""``kaiserctl doctor``: what is wrong with a site, or will be, in a sentence each, and what to do about it."""
