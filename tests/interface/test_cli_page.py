"""docs/cli.md is what the commands say of themselves today."""

import pytest

from docs.generate_cli import AGAIN, PAGE, WIDTH, commands, help_text, page


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"{AGAIN} writes docs/cli.md again"


@pytest.mark.parametrize("name", commands())
def test_a_help_text_is_plain_and_fits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = help_text(name)
    assert text.startswith(f"usage: python -m search.{name}")
    assert "\x1b" not in text
    assert "```" not in text
    boxes = [line for line in text.splitlines() if line.startswith(("╭", "│", "╰"))]
    assert boxes
    assert max(len(line) for line in boxes) <= WIDTH


def test_every_command_and_its_options_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {"audit", "export", "run", "train"} <= set(commands())
    for name in commands():
        assert f"\n## `search.{name}`\n" in text
        assert f"(#search{name})" in text
    assert "--time-budget" in text
