"""The archive: what a stream held, kept in a folder or a bucket after the stream has let it go.

Law 1 says that every table can be rebuilt from the log. A stream of telemetry keeps days, so before it lets a message
go the message is here. How it works:

- A **segment** is a run of consecutive messages of one stream: sequence, time stored, subject, headers and body of
  each, compressed. Its **manifest** says first and last sequence, count, and the SHA-256 of the file. A segment exists
  once its manifest does; a data file without one is the rest of a crash and harmless.
- Data are written first, as a whole and durably (:mod:`kaiser.storage`), then the manifest, which fails if there is one
  already. So two writers (a lease that changed hands) cannot replace each other's segments.
- Segments are in a folder a day, so that the last one is found by two looks, however many years there are.
- Sequences count from 1 again when a stream is made anew, so a folder holds one **life** of a stream, named by the time
  the stream was made.
- Its reader keeps no place in JetStream: the place is the last manifest. Nothing is archived twice or left out because
  an acknowledgement and a file disagree.
- A gap between two segments is what the stream lost before it was archived. It is not hidden: ``verify`` names it.

Who makes room in a stream asks :meth:`Archiver.floors` and lets nothing behind it go. Reading is archive first and then
the stream: :func:`history`.
"""

from kaiser.eventlog.archive.archiver import Archiver
from kaiser.eventlog.archive.folder import ArchiveError, Floors, Folder, Verdict
from kaiser.eventlog.archive.history import history
from kaiser.eventlog.archive.segment import Manifest, Record

__all__ = ("ArchiveError", "Archiver", "Floors", "Folder", "Manifest", "Record", "Verdict", "history")
