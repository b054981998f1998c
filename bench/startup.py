"""What every process of Dagster pays before it does anything."""

import sys
from pathlib import Path

from bench.inputs import Input
from bench.process import command
from bench.stages import Measured


def imports(once: Input, ten: Input, scratch: Path, rounds: int) -> Measured:
    """The definitions, against what they cannot do without."""
    for _ in range(2 * rounds):
        yield "import of dagster", command([sys.executable, "-c", "import dagster, dagster_aws.s3"])
        yield "import of the definitions", command([sys.executable, "-c", "import sf_transactions.definitions"])
