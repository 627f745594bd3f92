"""The page: sections as one HTML file that needs nothing else, neither other files nor a connection."""

import json
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from search.reporting.blocks import Chart, Section

TEMPLATES = Path(__file__).with_name("template")


def render(title: str, sections: Sequence[Section], *, written: datetime) -> str:
    """The file's content. All text in sections is escaped; `written` is when the study was read, in local time."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plotly"] = plotly_data
    return environment.get_template("page.html").render(
        title=title,
        sections=[section for section in sections if section.blocks],
        written=f"{written:%Y-%m-%d %H:%M}",
        version=version("segtune"),
        plotly=get_plotlyjs(),
        style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "page.js").read_text(encoding="utf-8"),
    )


def plotly_data(chart: Chart) -> dict[str, Any]:
    """Traces and layout of a figure as plain values, for `tojson`, which escapes what could end a script."""
    content = chart.figure.to_json()
    assert content is not None
    return json.loads(content)
