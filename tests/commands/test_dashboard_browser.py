"""The dashboard in Debian's Chromium, headless, at the width of a desk and of a phone.

    apt-get install -y chromium && uv run pytest -m browser

SCREENSHOTS names a folder that keeps what was seen.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.commands.dashboards import dashboard, get
from tests.commands.studies import make_study
from tests.tuning.made_up import spec
from tests.tuning.whole_search import asked, search, write_place

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

WIDTHS = {"desktop": (1440, 1000), "phone": (390, 844)}
EVIL = "<img src=x onerror=alert(1)> | **bold**"
FAULTS = ("error 1 9", "nan 3 1")
"""Of trials 0 and 1 of the made-up study."""


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path is not None, "the browser tests need Debian's Chromium: apt-get install -y chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with failed trials, and a class whose name is markup."""
    facts = spec().facts.model_copy(update={"class_names": ("background", EVIL, "rock")})
    return make_study(tmp_path_factory.mktemp("results"), trials=12, faults=FAULTS, facts=facts)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of networks that were trained, small as they are."""
    place = write_place(tmp_path_factory.mktemp("place"))
    search(asked(place, trials=3))
    return place / "results/tiny-tiles"


class Opened:
    """A page at a width, and all that went wrong or outside on it."""

    def __init__(self, browser: Browser, width: str) -> None:
        across, down = WIDTHS[width]
        self.context = browser.new_context(viewport={"width": across, "height": down}, is_mobile=width == "phone")
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.hosts: set[str | None] = set()
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._fetch(request.url))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "GPU stall due to ReadPixels" not in text:  # of drawing without a GPU
            self.complaints.append(f"{kind}: {text}")

    def _fetch(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(url).hostname)

    def go(self, url: str) -> None:
        self.page.goto(url)
        self.page.wait_for_load_state("networkidle")


@pytest.fixture(params=list(WIDTHS))
def opened(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[tuple[str, Opened]]:
    found = Opened(chromium, request.param)
    yield request.param, found
    found.context.close()


def test_every_page_of_a_study(opened: tuple[str, Opened], made_up: Path, screenshots: Path) -> None:
    width, seen = opened
    with dashboard(made_up.parent, "--no-pictures") as (_, line):
        (address,) = re.findall(r"http://\S+", line)
        seen.go(f"{address}/note")
        seen.page.get_by_text("Best so far: trial").first.wait_for()
        seen.page.screenshot(path=screenshots / f"dashboard-{width}-note.png", full_page=True)
        seen.go(address)
        seen.page.get_by_text("classes that count").first.wait_for()
        seen.page.get_by_text("infeasible").first.wait_for()
        seen.page.screenshot(path=screenshots / f"dashboard-{width}-study.png", full_page=True)
        for page, words in (("analytics", "Slice"), ("smartSelection", "User Attribute best mIoU")):
            seen.go(f"{address}/{page}")
            seen.page.get_by_text(words).first.wait_for()
            seen.page.screenshot(path=screenshots / f"dashboard-{width}-{page}.png", full_page=True)
        for number, words in ((0, "It failed"), (1, "the loss became nan"), (2, "Best validation mIoU")):
            seen.go(f"{address}/trials?numbers={number}")
            seen.page.get_by_text(words).first.wait_for()
            seen.page.screenshot(path=screenshots / f"dashboard-{width}-trial-{number}.png", full_page=True)
        assert seen.page.get_by_text(EVIL).count()
        assert seen.page.locator("img[src='x']").count() == 0
    check(seen)


def test_pictures_are_drawn_while_it_is_open(opened: tuple[str, Opened], trained: Path, screenshots: Path) -> None:
    width, seen = opened
    with dashboard(trained.parent, name=trained.name) as (_, line):
        (address,) = re.findall(r"http://\S+", line)
        root, _, study = address.partition("/dashboard/studies/")
        number = wait_for_picture(f"{root}/api/studies/{study}")
        seen.go(f"{address}/trials?numbers={number}")
        picture = seen.page.get_by_alt_text("What the network predicts after epoch 1")
        picture.wait_for()
        assert picture.evaluate("image => image.naturalWidth") > 1000
        curve = seen.page.get_by_alt_text("Learning curve")
        assert curve.evaluate("image => image.naturalWidth") == 760
        assert seen.page.get_by_text("multiply-adds").count()
        seen.page.screenshot(path=screenshots / f"dashboard-{width}-pictures.png", full_page=True)
    check(seen)


def wait_for_picture(api: str) -> int:
    """The number of a trial whose picture is drawn and whose cost is counted."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for trial in json.loads(get(api))["trials"]:
            keys = {entry["key"] for entry in trial["user_attrs"]}
            if "parameters" in keys and any(artifact["mimetype"] == "image/png" for artifact in trial["artifacts"]):
                return trial["number"]
        time.sleep(1)
    raise AssertionError("no picture was drawn in two minutes")


def check(seen: Opened) -> None:
    assert seen.hosts == {"127.0.0.1"}
    assert seen.complaints == []
