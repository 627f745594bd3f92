"""docs/networks.md is of the networks that the spaces name today."""

import re

from benchmarks.networks import named_networks
from models.cost import measure_cost
from spaces.mars_tiles import MARS_TILES
from tests.policy.source import ROOT

ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| (\d) \| ([\d,]+) \| (\d+) \|", re.MULTILINE)


def test_the_page_has_every_network_with_its_size() -> None:
    found = ROW.findall((ROOT / "docs/networks.md").read_text(encoding="utf-8"))
    expected = []
    for name, config in named_networks().items():
        cost = measure_cost(config, MARS_TILES.height, MARS_TILES.width)
        expected.append((name, config.words, str(config.patch), f"{cost.parameters:,}", f"{cost.macs / 1e6:.0f}"))
    assert found == expected, "uv run python benchmarks/networks.py --to docs/networks.md writes the page again"
