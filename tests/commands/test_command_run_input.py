"""`search.run` answers mistakes with one message and exit code 2, and leaves nothing behind."""

from pathlib import Path

import numpy as np
import pytest

from search.run import main
from tests.commands.studies import Commands

MISTAKES = {
    "no data": (("--data", "{}/none.npz"), "there is no file or folder"),
    "a truncated file": (("--data", "{}/cut.npz"), "cut.npz is not a complete npz archive"),
    "pickled arrays": (("--data", "{}/pickled.npz"), "pickle"),
    "an unknown space": (("--space", "unet_famly"), "unet_family"),
    "grace over epochs": (("--max-epochs", "3", "--grace-epochs", "9"), "--grace-epochs must not be over --max-epochs"),
    "negative trials": (("--trials", "-1"), "--trials must be at least 1, got -1"),
    "a name that leaves the folder": (("--study", "../out"), "a study's name is made of letters"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_message(commands: Commands, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "pickled.npz", training_set=np.array([{}, None], dtype=object), allow_pickle=True)
    given = [argument.format(tmp_path) for argument in arguments]
    assert commands.run(main, *given, "--results", tmp_path / "results") == 2
    assert commands.err.startswith("error: ")
    assert message in commands.err
    assert "Traceback" not in commands.err
    assert not (tmp_path / "results").exists()
