"""What the audit found in the data before the search."""

from collections.abc import Sequence

from search.data.audit import Audit
from search.reporting.blocks import Block, Bullets, Chart, Table, Words
from search.reporting.charts import BLUE, add_row_names, axis, new_figure, plain, row_axis
from search.words import plural

SHOWN_STEMS = 6
NAME_LENGTH = 40


def audit_blocks(audit: Audit | None) -> tuple[Block, ...]:
    """What the audit found before the search, and how frequent classes are."""
    if audit is None:
        return (Words(text="The study has no audit.json that can be read."),)
    blocks: list[Block] = [audit_table(audit), classes_chart(audit)]
    if audit.warnings:
        blocks.append(Bullets(items=audit.warnings))
    return tuple(blocks)


def audit_table(audit: Audit) -> Table:
    """The findings, a row each."""
    (low, left), (high, right) = audit.smallest, audit.largest
    sizes = f"{low}x{left}" if audit.smallest == audit.largest else f"{low}x{left} to {high}x{right}"
    together = sum(len(group) for group in audit.duplicates)
    rows = [
        ("images", f"{audit.images:,}", f"{sizes} pixels (height x width), {plural(audit.channels, 'channel')}"),
        ("outliers, removed", f"{len(audit.outliers):,}", stems_text(audit.outliers)),
        ("images that remain", f"{audit.kept:,}", ""),
        ("named groups", f"{audit.groups:,}", "an image of a group is in the same part as the others of it"),
        ("near-duplicates", f"{together:,}", f"in {plural(len(audit.duplicates), 'set')}, each kept in one part"),
        ("empty masks", f"{len(audit.empty):,}", stems_text(audit.empty)),
    ]
    if audit.unlabelled:
        rows.append(("without labels", f"{audit.unlabelled:,}", "beside these, for pseudo-labels"))
    return Table(
        title="What the audit found in the data", headers=("what", "number", ""), rows=tuple(rows), numbers=(1,)
    )


def stems_text(stems: Sequence[str]) -> str:
    """The first few names of images."""
    return ", ".join(stems[:SHOWN_STEMS]) + (", ..." if len(stems) > SHOWN_STEMS else "")


def classes_chart(audit: Audit) -> Chart:
    """The share of the pixels that each class has."""
    total = max(1, sum(entry.pixels for entry in audit.classes) + audit.void_pixels)
    rows = len(audit.classes)
    figure = new_figure(height=52 * rows + 80, x=axis("share of all pixels (per cent)"), y=row_axis(rows))
    add_row_names(figure, [plain(entry.name, NAME_LENGTH) for entry in audit.classes])
    figure.add_bar(
        x=[100 * entry.pixels / total for entry in audit.classes],
        y=list(range(rows)),
        orientation="h",
        width=0.36,
        marker_color=BLUE,
        hovertext=[
            f"{plain(entry.name)}{', not counted in the objective' if entry.ignored else ''}<br>"
            f"{entry.pixels / total:.2%}, {entry.pixels:,} pixels in {plural(entry.images, 'image')}"
            for entry in audit.classes
        ],
        hoverinfo="text",
    )
    counted = [entry for entry in audit.classes if entry.pixels and not entry.ignored]
    rare = min(counted, key=lambda entry: entry.pixels) if counted else None
    void = f" {audit.void_pixels / total:.1%} of the pixels have no label." if audit.void_pixels else ""
    ignored = [entry.name for entry in audit.classes if entry.ignored]
    left_out = f" Not counted in the objective: {', '.join(ignored)}." if ignored else ""
    return Chart(
        title="How frequent classes are" if rare is None else (
            f"The rarest class, {rare.name}, has {rare.pixels / total:.2%} of the pixels, in "
            f"{plural(rare.images, 'image')}"
        ),
        figure=figure,
        words=f"Over all images that remain, whatever their part.{void}{left_out} A class weighs the same in the mIoU "
        "however rare it is.",
    )  # fmt: skip
