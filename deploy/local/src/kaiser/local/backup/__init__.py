"""Backup and restore of a site: its streams, its tables, its archive, and, locked, its secrets.

The log is the truth, and tables are projections of it, so that streams alone would do. Tables are taken along because
a rebuild of years takes hours, and because streams of telemetry keep days. What makes a backup one, though nobody
stops while it is made:

- **Order.** First how far the consumers are that write tables, then the tables in one transaction, then the buckets,
  then how far all other consumers are, then all streams at once. So nothing that is taken is ahead of the streams: what
  a table or a bucket knows is in them. What came in between is delivered again after a restore, and every effect is
  idempotent, so that the tables catch up to the end of the streams.
- **Streams** are JetStream's own snapshots: sequences, times and headers stay as they are. They are asked for at one
  moment; their cut is some milliseconds wide.
- **Consumers** are not in the snapshots, for theirs would be ahead of the tables. They are made anew where they were.
- **A manifest is written last.** It names every piece with its SHA-256; without it there is no backup.
- **DOWNLINK is left out.** It is a queue of what devices are to be told now; what somebody wanted to tell them then is
  nothing to tell them today, and who still wants it says it again.
- **The broker** is left out: clients and rights of devices are made from the log and the site's device key by the
  bridge, and its sessions hold what is on its way.
"""
