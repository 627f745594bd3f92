"""What a page is made of: sections of blocks. Texts are plain; the template makes markup of them, and escapes them."""

from dataclasses import dataclass
from typing import ClassVar

import plotly.graph_objects as go


@dataclass(frozen=True, kw_only=True)
class Words:
    """A paragraph."""

    kind: ClassVar[str] = "words"
    text: str


@dataclass(frozen=True, kw_only=True)
class Caution:
    """A paragraph that must not be overlooked."""

    kind: ClassVar[str] = "caution"
    text: str


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """Sentences, one below the other."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What is told of, its value, and a few words on it."""

    name: str
    value: str
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The few values that a reader looks for first."""

    kind: ClassVar[str] = "facts"
    facts: tuple[Fact, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells below headers, and a sentence beneath; columns in `numbers` are aligned to the right."""

    kind: ClassVar[str] = "table"
    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: str = ""
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure: its `title` says what it shows, the `words` beneath how to read it. Small ones stand side by side."""

    kind: ClassVar[str] = "chart"
    title: str
    figure: go.Figure
    words: str
    small: bool = False


@dataclass(frozen=True, kw_only=True)
class Swatch:
    """A colour `#rrggbb` of a legend, and what it stands for."""

    color: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image as a data URI, and what it shows."""

    source: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Rows of pictures, each row with words above, below a legend of colours."""

    kind: ClassVar[str] = "gallery"
    title: str
    words: str
    legend: tuple[Swatch, ...]
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Folded:
    """Long text that is shown on request, and in print."""

    kind: ClassVar[str] = "folded"
    title: str
    text: str


Block = Words | Caution | Bullets | Facts | Table | Chart | Gallery | Folded


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page: `key` is its anchor."""

    key: str
    title: str
    blocks: tuple[Block, ...]
