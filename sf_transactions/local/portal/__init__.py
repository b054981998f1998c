"""DataSF on a laptop: a portal on loopback that serves a table in SODA 2, SODA 3 and as metadata."""

from sf_transactions.local.portal.faults import Fault
from sf_transactions.local.portal.server import Portal

__all__ = ["Fault", "Portal"]
