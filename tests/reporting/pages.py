"""Reading a page as a browser would, without one: its tags, its text, its figures."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

FETCHING = {"src", "href", "srcset", "poster", "action", "data", "background"}


@dataclass
class Page(HTMLParser):
    """A parsed page. `scripts` are what a browser runs, `figures` the JSON beside each plot."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    styles: str = ""
    scripts: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    _inside: tuple[str, str | None] = ("", None)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, markup: str) -> "Page":
        page = cls()
        page.feed(markup)
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = (tag, dict(attrs).get("type")) if tag in ("script", "style") else ("", None)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ("", None)

    def handle_data(self, data: str) -> None:
        match self._inside:
            case ("script", "application/json"):
                self.figures.append(json.loads(data))
            case ("script", _):
                self.scripts.append(data)
            case ("style", _):
                self.styles += data
            case _:
                self.text += data

    @property
    def addresses(self) -> list[str]:
        """What tags would fetch, images inside the page left out."""
        found = [value or "" for _, attrs in self.tags for name, value in attrs.items() if name in FETCHING]
        return [address for address in found if not address.startswith(("data:", "#"))]

    @property
    def sections(self) -> list[str]:
        return [attrs["id"] or "" for tag, attrs in self.tags if tag == "section"]

    def figure_texts(self) -> list[str]:
        """Every text in the figures, where plotly would look for markup."""
        return [text for figure in self.figures for text in _texts(figure)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for child in value.values() for text in _texts(child)]
    if isinstance(value, list):
        return [text for child in value for text in _texts(child)]
    return [value] if isinstance(value, str) else []
