"""From a study to its page: which sections a report has, in which order."""

from datetime import datetime
from pathlib import Path

from search.errors import StudyError
from search.files import write_whole
from search.reporting.advice import advice_blocks
from search.reporting.blocks import Section
from search.reporting.classes import class_blocks
from search.reporting.contours import contour_blocks
from search.reporting.coordinates import coordinate_blocks
from search.reporting.curves import curve_blocks
from search.reporting.data_audit import audit_blocks
from search.reporting.effort import failure_blocks, time_blocks
from search.reporting.endings import ending_blocks
from search.reporting.history import history_blocks
from search.reporting.images import image_blocks
from search.reporting.importance_chart import importance_blocks
from search.reporting.locked_test import answer_blocks
from search.reporting.material import Material, gather
from search.reporting.measuring import measure
from search.reporting.page import render
from search.reporting.slices import slice_blocks
from search.reporting.summary import best_blocks, summary_blocks
from search.reporting.trade_offs import trade_off_blocks
from search.tuning.folder import REPORT_NAME


def write_report(folder: Path, *, to: Path | None = None, storage: str | None = None, data: Path | None = None) -> Path:
    """Write the report of the study in `folder`, also while its search runs; returns the file.

    `to` is the file, None for `report.html` in the study's folder; `data` is where the data is, None for where it was.
    Raises StudyError for a folder without a study and for a file that cannot be written, DataError for other data.
    """
    target = folder / REPORT_NAME if to is None else to
    check_target(target)
    material = measure(gather(folder, storage), data)
    page = render(material.study.name, sections(material), written=datetime.now())
    try:
        write_whole(target, page)
    except OSError as error:
        raise _unwritable(target, error.strerror) from error
    return target


def check_target(target: Path) -> None:
    """Raise StudyError where no file can be at `target`: told before anything is measured."""
    try:
        taken, possible = target.is_dir(), target.parent.is_dir()
    except OSError as error:
        raise _unwritable(target, error.strerror) from error
    if taken:
        raise _unwritable(target, "it is a folder")
    if not possible:
        raise _unwritable(target, f"{target.parent} is no folder")


def _unwritable(target: Path, reason: str | None) -> StudyError:
    return StudyError(f"{target} cannot be written: {reason}; choose another file with --to")


def sections(material: Material) -> tuple[Section, ...]:
    """The sections of a report; those without a block are left out of the page."""
    return (
        Section(key="summary", title="Summary", blocks=summary_blocks(material)),
        Section(key="answer", title="The answer, on the locked test part", blocks=answer_blocks(material)),
        Section(key="advice", title="What a next search should do", blocks=advice_blocks(material)),
        Section(key="best", title="The best trials", blocks=best_blocks(material)),
        Section(key="history", title="How the best value rose", blocks=history_blocks(material)),
        Section(key="rungs", title="Where trials ended", blocks=ending_blocks(material)),
        Section(key="curves", title="Learning curves", blocks=curve_blocks(material)),
        Section(key="importance", title="Which parameters mattered", blocks=importance_blocks(material)),
        Section(key="coordinates", title="What the best trials share", blocks=coordinate_blocks(material)),
        Section(key="slices", title="Parameters one by one", blocks=slice_blocks(material)),
        Section(key="contours", title="Parameters in pairs", blocks=contour_blocks(material)),
        Section(key="cost", title="What a better network costs", blocks=trade_off_blocks(material)),
        Section(key="classes", title="Classes", blocks=class_blocks(material)),
        Section(key="images", title="Worst and best images", blocks=image_blocks(material)),
        Section(key="audit", title="The data", blocks=audit_blocks(material.audit)),
        Section(key="failures", title="Failed and refused trials", blocks=failure_blocks(material)),
        Section(key="time", title="Where the time went", blocks=time_blocks(material)),
    )
