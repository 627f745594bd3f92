"""docs/cli.md is what the commands say of themselves today."""

import pytest

from docs.generate_cli import AGAIN, PAGE, WIDTH, commands, help_text, page, parts


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"{AGAIN} writes docs/cli.md again"


@pytest.mark.parametrize("name", commands())
def test_a_help_text_is_the_same_in_every_terminal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = help_text(name)
    assert text.isascii(), "neither colours nor frames"
    assert "\x1b" not in text
    usage, words, options = parts(text)
    assert usage.startswith(f"usage: python -m search.{name}")
    assert words.endswith(".")
    assert "-h, --help" in options
    assert max(len(line) for line in options.splitlines()) <= WIDTH
    assert "```" not in text


def test_every_command_and_its_options_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {"audit", "export", "run", "train"} <= set(commands())
    for name in commands():
        assert f"\n## `search.{name}`\n" in text
        assert f"(#search{name})" in text
    assert "--time-budget" in text
