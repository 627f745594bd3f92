"""What the README says can be typed, and what it points to is there."""

import re
from pathlib import Path

import pytest

from tests.policy.source import ROOT, modules

README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci/run").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), ROOT / "benchmarks/README.md"]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
MODULE_CALL = re.compile(r"python -m (search\.\w+)([^\n`#|]*)")
FOREIGN = {"--help", "--extra", "--logdir"}
"""Options of every command, of uv, and of TensorBoard."""


def code_blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def first_commands() -> list[str]:
    """The commands of the README's first block, those joined by && apart."""
    lines = [line for line in code_blocks(README)[0].splitlines() if line.strip()]
    return [command.strip() for line in lines for command in line.split("&&")]


def commands() -> set[str]:
    """Modules that can be run as `python -m search.NAME`."""
    found = modules("search")
    return {module.name for module in found if module.path.parent.name == "search" and "__main__" in _text(module.path)}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_first_commands_are_the_promised_ones() -> None:
    assert first_commands() == ["pip install uv", "uv run python -m search.run --space unet_family", "uv run pytest"]


@pytest.mark.parametrize("command", first_commands())
def test_ci_runs_the_first_commands(command: str) -> None:
    """As they are, or with options behind them."""
    own_lines = [line for line in CI.splitlines() if not line.lstrip().startswith("#")]
    assert re.search(rf"(^|[;|&] *){re.escape(command)}( |$)", "\n".join(own_lines), re.MULTILINE)


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"python -m {re.escape(command)}\b", README)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_commands_that_exist(document: Path) -> None:
    named = {module for module, _ in MODULE_CALL.findall(_text(document))}
    assert named <= commands()


def _is_field(name: str, sources: str) -> bool:
    return bool(re.search(rf"^    {name.replace('-', '_')}: ", sources, re.MULTILINE))


def _is_switch(name: str, sources: str) -> bool:
    """Whether it turns off what is on."""
    field = name.removeprefix("no-").replace("-", "_")
    return field != name and bool(re.search(rf"^    {field}: bool = True", sources, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_options_that_exist(document: Path) -> None:
    """An option is a field of some command's options, with `no-` before it where that is on by default."""
    sources = "\n".join(_text(module.path) for module in modules("search", "benchmarks"))
    unknown = [
        option
        for option in OPTION.findall(_text(document))
        if option not in FOREIGN and not (_is_field(option[2:], sources) or _is_switch(option[2:], sources))
    ]
    assert not unknown


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", _text(document))
    missing = [target for target in targets if "://" not in target and not (document.parent / target).exists()]
    assert not missing


def test_every_guide_page_is_linked_from_the_readme() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")}
    assert not {page for page in pages if f"({page})" not in README}
