"""An audit for people: two rich tables and the warnings."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search.data.audit import Audit
from search.data.samples import VOID

SHOWN_STEMS = 6


def format_audit(audit: Audit) -> RenderableType:
    """The audit as a rich renderable, for a terminal, a file or the report."""
    warnings = [Text(f"warning: {warning}", style="yellow") for warning in audit.warnings]
    return Group(findings_table(audit), classes_table(audit), *warnings)


def findings_table(audit: Audit) -> Table:
    """Sizes, and what was found, a line each."""
    table = Table(title="Data", title_justify="left", show_header=False)
    table.add_column("what", style="bold")
    table.add_column("number", justify="right")
    table.add_column("detail")
    together = sum(len(group) for group in audit.duplicates)
    sizes = f"{audit.smallest[0]}x{audit.smallest[1]}"
    if audit.largest != audit.smallest:
        sizes += f" to {audit.largest[0]}x{audit.largest[1]}"
    table.add_row("images", str(audit.images), f"{sizes} pixels (height x width), {audit.channels} channel(s)")
    table.add_row("outliers, removed", str(len(audit.outliers)), stems(audit.outliers))
    table.add_row("images that remain", str(audit.kept), "")
    table.add_row("named groups", str(audit.groups), "")
    table.add_row("near-duplicates", str(together), f"in {len(audit.duplicates)} sets, each kept in one part")
    table.add_row("empty masks", str(len(audit.empty)), stems(audit.empty))
    if audit.unlabelled:
        table.add_row("without labels", str(audit.unlabelled), "beside these, for pseudo-labels")
    return table


def classes_table(audit: Audit) -> Table:
    """Pixels and images of every class."""
    table = Table(title="Classes in the images that remain", title_justify="left")
    table.add_column("class")
    for header in ("label", "pixels", "share", "images"):
        table.add_column(header, justify="right")
    table.add_column("objective")
    total = sum(entry.pixels for entry in audit.classes) + audit.void_pixels
    colours = any(entry.label > VOID for entry in audit.classes)
    for entry in audit.classes:
        role = "ignored" if entry.ignored else "absent" if entry.pixels == 0 else "counts"
        share = f"{entry.pixels / total:.2%}"
        label = f"#{entry.label:06x}" if colours else str(entry.label)
        table.add_row(Text(entry.name), label, f"{entry.pixels:,}", share, f"{entry.images:,}", role)
    if audit.void_pixels:
        table.add_row("(void)", "", f"{audit.void_pixels:,}", f"{audit.void_pixels / total:.2%}", "", "ignored")
    return table


def stems(names: Sequence[str]) -> str:
    """The first few names."""
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN_STEMS else ""
    return ", ".join(names[:SHOWN_STEMS]) + more
