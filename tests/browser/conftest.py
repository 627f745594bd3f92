"""Debian's Chromium, headless, at the width of a desk and of a phone.

    apt-get install -y chromium && uv run pytest -m browser

SCREENSHOTS names a folder that keeps what was seen.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.seen import WIDTHS, Seen


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path is not None, "the browser tests need Debian's Chromium: apt-get install -y chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(params=list(WIDTHS))
def seen(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Seen]:
    """An empty page at each width."""
    found = Seen(chromium, request.param)
    yield found
    found.context.close()
