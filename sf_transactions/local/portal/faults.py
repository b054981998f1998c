"""Faults that a portal in the tests can be told to make, request by request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer: a status, a body that is cut or short of rows, or a closed connection.

    `cut` sends half of the body and hangs up; `lost_rows` leaves out the last rows but is consistent in itself;
    `reset` closes the connection without an answer.
    """

    status: int | None = None
    retry_after: int | None = None
    cut: bool = False
    lost_rows: int = 0
    reset: bool = False
