"""Writes docs/cli.md, what `--help` of every command says: `uv run python docs/generate_cli.py`."""

import io
import os
import sys
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/cli.md"
AGAIN = "uv run python docs/generate_cli.py"
WIDTH = 100
"""Characters a line; in a terminal, help is as wide as that."""

HEAD = f"""# Commands

What `--help` of each command says. This page is generated: `{AGAIN}` writes it again.
[search.md](search.md) explains the options of a search, [python.md](python.md) has them as arguments of a function.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page: a section for each command."""
    names = commands()
    contents = "\n".join(f"- [`search.{name}`](#search{name})" for name in names)
    return "\n".join([HEAD, contents, *(section(name) for name in names)])


def commands() -> list[str]:
    """The names of all commands: the modules directly in search/ that run one."""
    found = (path for path in (ROOT / "search").glob("*.py") if "run_command(main)" in path.read_text(encoding="utf-8"))
    return sorted(path.stem for path in found)


def section(name: str) -> str:
    """One command: what it does as text, usage and options as its help shows them."""
    usage, words, options = parts(help_text(name))
    return f"\n## `search.{name}`\n\n{words}\n\n```\n{usage}\n\n{options}\n```"


def parts(text: str) -> tuple[str, str, str]:
    """Usage, description and options of a help text; options begin where a title is underlined."""
    lines = [line.rstrip() for line in text.splitlines()]
    underlined = next(index for index, line in enumerate(lines) if line.startswith(" ---"))
    usage, _, words = "\n".join(lines[: underlined - 1]).partition("\n")
    options = "\n".join(line.removeprefix(" ") for line in lines[underlined - 1 :])
    return usage.strip(), words.strip(), options.strip()


def help_text(name: str) -> str:
    """What a command prints for --help at a fixed width: no terminal, so neither colours nor frames."""
    command = import_module(f"search.{name}")
    screen = io.StringIO()
    with (
        patch.dict(os.environ, {"COLUMNS": str(WIDTH), "LINES": "60"}),
        patch.object(sys, "argv", [name, "--help"]),
        redirect_stdout(screen),
        suppress(SystemExit),
    ):
        command.main()
    return screen.getvalue()


if __name__ == "__main__":
    main()
