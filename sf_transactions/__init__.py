"""San Francisco's published spending and revenue as a star schema, by Dagster.

`dagster -m sf_transactions` finds the definitions here; they are loaded when asked for, so that
`import sf_transactions.model` loads no Dagster.
"""

import os

# Arrow's own allocator keeps what each thread has used; the system's gives a pull half the memory, no slower.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def __getattr__(name: str):
    if name == "defs":
        from sf_transactions.definitions import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "defs"]
