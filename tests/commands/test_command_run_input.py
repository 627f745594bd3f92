"""`search.run` answers mistakes with one message and exit code 2, and leaves nothing behind."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.run import main
from tests.commands.studies import Commands

MISTAKES = {
    "no data": (("--data", "{}/none.npz"), "there is no file or folder"),
    "a truncated file": (("--data", "{}/cut.npz"), "cut.npz is not a complete npz archive"),
    "pickled arrays": (("--data", "{}/pickled.npz"), "pickle"),
    "an unknown space": (("--space", "unet_famly"), "unet_family"),
    "grace over epochs": (("--max-epochs", "3", "--grace-epochs", "9"), "--grace-epochs must not be over --max-epochs"),
    "negative trials": (("--trials", "-1"), "--trials must be at least 1, got -1"),
    "types beside a split": (("--data", "{}/tiles", "--stratify", "dispersion"), "splits.csv says that already"),
    "a name that leaves the folder": (("--study", "../out"), "a study's name is made of letters"),
}


def write_split_tiles(folder: Path) -> None:
    """Six images in the folder form, with a split of their own."""
    rows = ["stem,split"]
    for index, part in enumerate(("train", "validation", "test") * 2):
        for name, value in (("images", 40 * index), ("masks", index % 2)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((16, 16), value, np.uint8)).save(folder / name / f"t{index}.png")
        rows.append(f"t{index},{part}")
    (folder / "splits.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_message(commands: Commands, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "pickled.npz", training_set=np.array([{}, None], dtype=object), allow_pickle=True)
    write_split_tiles(tmp_path / "tiles")
    given = [argument.format(tmp_path) for argument in arguments]
    assert commands.run(main, *given, "--results", tmp_path / "results") == 2
    assert commands.err.startswith("error: ")
    assert message in commands.err
    assert "Traceback" not in commands.err
    assert not (tmp_path / "results").exists()


def test_an_unknown_stratification_names_those_there_are(commands: Commands) -> None:
    assert commands.run(main, "--stratify", "dispersed") == 2
    assert "dispersed" in commands.err
    for choice in ("presence", "dispersion-literal", "dispersion-threshold", "dispersion-quantile"):
        assert choice in commands.err
