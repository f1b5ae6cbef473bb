"""Events: what is written to the log. One module a family; :mod:`kaiser.contracts.events.catalogue` lists them all."""
