import pytest

from sf_transactions.local.portal import Portal
from sf_transactions.resources.home import Home
from sf_transactions_tests.integration.ingestion.pulling import SMALL


@pytest.fixture
def served():
    portal = Portal(SMALL).start()
    yield portal
    portal.stop()


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(path=str(tmp_path / "home"))
