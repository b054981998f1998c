"""Logins by an identity provider: what runs on Lambda (`handler.py`), and the package that is deployed there."""

import io
import zipfile
from pathlib import Path

HANDLER = "handler.handler"


def package() -> bytes:
    """The function's code as Lambda takes it, the same bytes for the same code."""
    source = Path(__file__).with_name("handler.py")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(source.name, (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, source.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()
