import json
import subprocess
import sys
from pathlib import Path

from search.data.dataset import SegmentationData
from search.spaces import main
from spaces.config import TrialConfig
from spaces.mars_tiles import MARS_TILES
from spaces.presets import PRESETS
from spaces.unet_family import unet_family
from tests.commands.studies import Commands
from tests.commands.tiles import write_tiles


def test_presets_are_listed_with_a_description(commands: Commands):
    assert commands.run(main) == 0
    lines = commands.out.splitlines()
    assert [line.split()[0] for line in lines[: len(PRESETS)]] == list(PRESETS)
    assert all(len(line.split()) > 3 for line in lines[: len(PRESETS)])
    assert commands.run(main, "--json") == 0
    assert [entry["name"] for entry in json.loads(commands.out)] == list(PRESETS)


def test_a_space_is_printed_as_a_tree_with_its_points(commands: Commands):
    assert commands.run(main, "unet_family") == 0
    assert commands.out.startswith("for the course's Mars tiles; --data PATH shows it for other data\n\n")
    space = unet_family(MARS_TILES)
    assert "\n".join(space.lines) in commands.out
    assert "\n    if group\n      groups: one of 4, 8, 16  [8]\n" in commands.out
    for name in space.points:
        assert f"\n  {name} " in commands.out


def test_json_holds_every_bound_and_point(commands: Commands):
    assert commands.run(main, "unet_family", "--json") == 0
    space, shown = unet_family(MARS_TILES), json.loads(commands.out)
    assert shown["fingerprint"] == space.fingerprint
    entries = {entry["name"]: entry for entry in shown["dimensions"]}
    assert entries["model.depth"] == {
        "name": "model.depth", "kind": "int", "low": 3, "high": 5, "step": 1, "log": False, "default": 4, "when": None,
    }  # fmt: skip
    assert entries["optimizer.sgd.learning_rate"] == {
        "name": "optimizer.sgd.learning_rate", "kind": "float", "low": 0.001, "high": 0.3, "log": True,
        "default": 0.05, "when": [{"parameter": "optimizer", "is": "sgd"}],
    }  # fmt: skip
    for name, point in space.points.items():
        assert TrialConfig.model_validate(shown["points"][name]["config"]) == point.config
        assert space.decode(shown["points"][name]["params"]).model == point.config.model


def test_data_of_ones_own_decides_what_is_left_out(commands: Commands, demo: SegmentationData, tmp_path: Path):
    path = write_tiles(tmp_path / "tiles.npz", demo, classes=(1, 2, 3))
    assert commands.run(main, "unet_family", "--data", path) == 0
    assert commands.out.startswith(f"for {path}\n")
    assert "  oversample: always 1\n" in commands.out


def test_an_unknown_name_comes_with_the_nearest(commands: Commands, tmp_path: Path):
    assert commands.run(main, "unet_famly") == 2
    assert commands.err == (
        "error: there is no space named 'unet_famly': did you mean 'unet_family'? Use one of "
        f"{', '.join(PRESETS)}, or FILE.py:function for your own\n"
    )
    assert commands.run(main, "unet_family", "--data", tmp_path / "nix.npz") == 2
    assert commands.err == f"error: there is no file or folder {tmp_path / 'nix.npz'}\n"


def test_no_network_is_built():
    script = (
        "import sys; sys.argv = ['command', 'unet_family']; from search.spaces import main; main();"
        "assert not {'torch', 'optuna', 'ray', 'sklearn'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
