from pathlib import Path

import optuna
import pytest

from search import delete
from search.delete import main
from search.tuning.folder import locked
from tests.commands.studies import Commands


def arguments(folder: Path) -> list[str]:
    return [folder.name, "--results", str(folder.parent)]


def test_yes_deletes_the_folder(commands: Commands, folder: Path):
    assert commands.run(main, *arguments(folder), "--yes") == 0
    assert commands.out.splitlines()[0].startswith(f"this deletes {folder}: 5 trials, ")
    assert commands.out.splitlines()[-1] == f"deleted {folder}"
    assert not folder.exists()
    assert folder.parent.exists()


def test_what_dashboards_and_trackers_wrote_goes_too(commands: Commands, folder: Path):
    for name in ("artifacts", "tracking/tensorboard"):
        (folder / name).mkdir(parents=True)
    assert commands.run(main, *arguments(folder), "--yes") == 0
    assert not folder.exists()


def test_without_a_terminal_nothing_goes_without_yes(commands: Commands, folder: Path, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert commands.run(main, *arguments(folder)) == 2
    assert commands.err == (
        "error: deleting needs a yes, and there is no terminal to ask in; nothing was deleted. Add --yes\n"
    )
    assert folder.exists()


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("YES", True), ("", False), ("n", False), ("yo", False)])
def test_the_answer_decides(commands: Commands, folder: Path, monkeypatch, answer: str, gone: bool):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    assert commands.run(main, *arguments(folder)) == 0
    assert folder.exists() is not gone
    assert commands.out.splitlines()[-1] == (f"deleted {folder}" if gone else "nothing was deleted")


def test_a_running_study_stays(commands: Commands, folder: Path):
    with locked(folder):
        assert commands.run(main, *arguments(folder), "--yes") == 2
    assert commands.err == (f"error: a search is running on {folder}; end it with Ctrl-C before you delete its study\n")
    assert folder.exists()


def test_what_no_search_wrote_stays(commands: Commands, folder: Path):
    (folder / "thesis.tex").write_text("years of work")
    assert commands.run(main, *arguments(folder), "--yes") == 2
    assert commands.err == (
        f"error: a study is deleted with its whole folder; {folder} also holds what no search wrote: thesis.tex. "
        "Move that elsewhere first\n"
    )
    assert (folder / "thesis.tex").exists()
    assert (folder / "study.db").exists()


@pytest.mark.parametrize("spec", ["openapi: 3\n", "- 1\n", "a: [\n"])
def test_another_programs_folder_stays(commands: Commands, tmp_path: Path, spec: str):
    (tmp_path / "spec.yaml").write_text(spec)
    assert commands.run(main, tmp_path, "--yes") == 2
    assert "was not written by a search" in commands.err
    assert (tmp_path / "spec.yaml").exists()


def test_a_link_stays(commands: Commands, folder: Path):
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert commands.run(main, link, "--yes") == 2
    assert commands.err == f"error: {link} is a link; delete the study that it leads to, {folder}\n"
    assert folder.exists()


def test_a_study_of_another_version_can_be_deleted(commands: Commands, folder: Path):
    spec = folder / "spec.yaml"
    spec.write_text(spec.read_text().replace("version: 2\n", "version: 0\nforgotten: true\n"))
    for path in folder.glob("study.db*"):
        path.write_text("damaged")
    assert commands.run(main, *arguments(folder), "--yes") == 0
    assert "trials that cannot be read" in commands.out
    assert not folder.exists()


def test_a_shared_storage_loses_this_study_only(commands: Commands, folder: Path):
    url = f"sqlite:///{folder.parent / 'shared.db'}"
    for path in folder.glob("study.db*"):
        path.rename(folder.parent / path.name.replace("study", "shared"))
    optuna.create_study(study_name="second", storage=url)
    assert commands.run(main, *arguments(folder), "--yes", "--storage", url) == 0
    assert "5 trials" in commands.out
    assert "and the study 'mars' in its sqlite storage" in commands.out
    assert optuna.get_all_study_names(storage=url) == ["second"]
    assert not folder.exists()


def test_a_storage_out_of_reach_keeps_the_folder(commands: Commands, folder: Path):
    assert commands.run(main, *arguments(folder), "--yes", "--storage", "nosuch://user:secret@host/db") == 2
    assert "Where that storage is gone for good, remove the folder yourself" in commands.err
    assert "secret" not in commands.err + commands.out
    assert folder.exists()


def test_a_storage_without_its_trials_keeps_the_folder(commands: Commands, folder: Path):
    """They would be left behind in the right one."""
    url = f"sqlite:///{folder.parent / 'typo.db'}"
    assert commands.run(main, *arguments(folder), "--yes", "--storage", url) == 2
    assert "knows none of them" in commands.err
    assert "Where that storage is gone for good, remove the folder yourself" in commands.err
    assert folder.exists()
    assert not (folder.parent / "typo.db").exists()


def test_the_end_of_input_is_a_no(monkeypatch):
    def ended(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", ended)
    assert delete.confirmed() is False
