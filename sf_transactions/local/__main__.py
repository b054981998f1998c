"""The background process: `python -m sf_transactions.local`."""

import logging

from sf_transactions.local.ports import ports
from sf_transactions.local.standins import serve
from sf_transactions.settings import Settings

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
# moto logs a line a request, and asyncssh one a packet.
for chatty in ("werkzeug", "asyncssh"):
    logging.getLogger(chatty).setLevel(logging.WARNING)
settings = Settings.from_environ()
serve(settings, ports(settings.home))
