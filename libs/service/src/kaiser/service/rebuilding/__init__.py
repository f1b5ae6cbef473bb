"""The tables of a service made anew from the log, beside those that it uses, and put in their place.

How it works, for the schema ``ingest``:

- **Beside.** ``ingest_next`` is made by the service's own migrations and filled by the service's own handlers, which
  name tables without a schema and so write where their connection looks. The log is read from its beginning, archive
  first. Where two streams write to one table, their events are taken in the order in which they were stored.
- **Resumed.** Each transaction holds the position, so whoever is killed goes on there. Commits do not wait for the disk
  (``synchronous_commit=off``): what a crash takes away is in the log, and behind the position that it leaves.
- **Compared.** A snapshot of the old tables has a position; the new ones are folded up to exactly that, and sums of
  hashes are compared, by chunks of time, then minutes, then rows.
- **Swapped.** One transaction keeps writers out (readers stay), folds what is left of the streams, and renames both
  schemas. A writer that waited for it finds the new tables: PostgreSQL looks every name up again once it has the lock,
  for prepared statements too, since a renamed schema makes all plans void. Nothing that was committed to the old tables
  is missing in the new ones, for it was in the streams before they were folded to their end; and what the service
  writes a second time changes nothing, as with every delivery. That is the fence: no generation has to be compared,
  and no service has to take part.
- **Kept.** The old tables are ``ingest_old`` then, with the position from which they can be caught up again, so that
  the way back is the same way.
"""

from kaiser.service.rebuilding.projection import Opener, Projection, Source, Table

__all__ = ("Opener", "Projection", "Source", "Table")
