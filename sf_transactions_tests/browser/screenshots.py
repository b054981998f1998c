"""The pictures of the dashboard in `docs/`: `python -m sf_transactions_tests.browser.screenshots PAGE [FOLDER]`.

Where pngquant is installed they are a third as large.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from sf_transactions_tests.browser.conftest import QUIET, program

SIZES = {390: 2400, 1280: 2000, 1920: 1800}  # width of the screen: height of the picture


def main(dashboard: str, folder: str = "docs") -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(QUIET))
        for width, height in SIZES.items():
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
                page = context.new_page()
                page.goto(Path(dashboard).absolute().as_uri())
                page.wait_for_function("() => document.documentElement.dataset.rendered")
                file = Path(folder) / f"dashboard-{width}-{scheme}.png"
                page.screenshot(path=file, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
                if shutil.which("pngquant"):
                    subprocess.run(["pngquant", "--force", "--skip-if-larger", "--ext", ".png", "64", file], check=True)
                print(file, f"{file.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
