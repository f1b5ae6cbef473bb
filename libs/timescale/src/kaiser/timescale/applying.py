"""yoyo's backend, with each migration and the note that it was applied in one transaction.

yoyo commits a migration, and then notes it in a transaction of its own, with the name of the user in it. A process
that is killed in between, or that runs as a user without a name, as containers do, leaves a migration that is applied
and not noted, and that fails at every start from then on.
"""

from typing import Any

from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend


class AtomicBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo has no types
    """PostgreSQL by psycopg 3."""

    def apply_one(self, migration: Any, force: bool = False, mark: bool = True) -> None:
        """Apply a migration and note it, or neither."""
        self.ensure_internal_schema_updated()
        with self.transaction():
            migration.process_steps(self, "apply", force=force)
            if mark:
                self.mark_one(migration, log=False)
