"""LOCK TABLE: one session at a time holds a table until its transaction ends; the others wait.

Only sessions that ask for the lock wait for it. In Redshift every statement on the table does.
"""

import threading
from collections.abc import Callable, Sequence

from sf_transactions.local.redshift.errors import SqlError


class Locks:
    """Which session holds which table, for all sessions of an endpoint."""

    def __init__(self) -> None:
        self._holders: dict[str, int] = {}
        self._changed = threading.Condition()

    def take(self, tables: Sequence[str], session: int, cancelled: Callable[[], bool], seconds: float | None) -> None:
        """Waits until the session holds all of these tables. Raises SqlError when it is cancelled, or after seconds."""
        with self._changed:

            def free() -> bool:
                return all(self._holders.get(table, session) == session for table in tables)

            self._changed.wait_for(lambda: free() or cancelled(), seconds)
            if cancelled():
                raise SqlError("57014", "Query cancelled on user's request")
            if not free():
                raise SqlError("57014", "Query cancelled on user's request", "statement timeout")
            self._holders |= dict.fromkeys(tables, session)

    def release(self, session: int) -> None:
        """The session's transaction has ended."""
        with self._changed:
            self._holders = {table: holder for table, holder in self._holders.items() if holder != session}
            self._changed.notify_all()

    def wake(self) -> None:
        """Those who wait look whether they were cancelled."""
        with self._changed:
            self._changed.notify_all()
