"""The dashboard in a browser."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.browser.seen import Seen
from tests.commands.dashboards import dashboard, get
from tests.commands.studies import make_study
from tests.tuning.made_up import spec
from tests.tuning.whole_search import asked, search, write_place

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

EVIL = "<img src=x onerror=alert(1)> | **bold**"
FAULTS = ("error 1 9", "nan 3 1")
"""Of trials 0 and 1 of the made-up study."""


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


def test_every_page_of_a_study(seen: Seen, made_up: Path, screenshots: Path) -> None:
    with dashboard(made_up.parent, "--no-pictures") as (_, line):
        (address,) = re.findall(r"http://\S+", line)
        go(seen, f"{address}/note")
        seen.page.get_by_text("Best so far: trial").first.wait_for()
        seen.page.screenshot(path=screenshots / f"dashboard-{seen.width}-note.png", full_page=True)
        go(seen, address)
        seen.page.get_by_text("classes that count").first.wait_for()
        seen.page.get_by_text("infeasible").first.wait_for()
        seen.page.screenshot(path=screenshots / f"dashboard-{seen.width}-study.png", full_page=True)
        for page, words in (("analytics", "Slice"), ("smartSelection", "User Attribute best mIoU")):
            go(seen, f"{address}/{page}")
            seen.page.get_by_text(words).first.wait_for()
            seen.page.screenshot(path=screenshots / f"dashboard-{seen.width}-{page}.png", full_page=True)
        for number, words in ((0, "It failed"), (1, "the loss became nan"), (2, "Best validation mIoU")):
            go(seen, f"{address}/trials?numbers={number}")
            seen.page.get_by_text(words).first.wait_for()
            seen.page.screenshot(path=screenshots / f"dashboard-{seen.width}-trial-{number}.png", full_page=True)
        assert seen.page.get_by_text(EVIL).count()
        assert seen.page.locator("img[src='x']").count() == 0
    check(seen)


def test_pictures_are_drawn_while_it_is_open(seen: Seen, trained: Path, screenshots: Path) -> None:
    with dashboard(trained.parent, name=trained.name) as (_, line):
        (address,) = re.findall(r"http://\S+", line)
        root, _, study = address.partition("/dashboard/studies/")
        number = wait_for_picture(f"{root}/api/studies/{study}")
        go(seen, f"{address}/trials?numbers={number}")
        picture = seen.page.get_by_alt_text("What the network predicts after epoch 1")
        picture.wait_for()
        assert picture.evaluate("image => image.naturalWidth") > 1000
        curve = seen.page.get_by_alt_text("Learning curve")
        assert curve.evaluate("image => image.naturalWidth") == 760
        assert seen.page.get_by_text("multiply-adds").count()
        seen.page.screenshot(path=screenshots / f"dashboard-{seen.width}-pictures.png", full_page=True)
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


def check(seen: Seen) -> None:
    assert seen.hosts == {"127.0.0.1"}
    assert seen.complaints == []


def go(seen: Seen, url: str) -> None:
    seen.page.goto(url)
    seen.page.wait_for_load_state("networkidle")
