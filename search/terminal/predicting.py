"""Predicting in the terminal: a bar while it goes on, one line when it is done, a line for each image left out."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from search.errors import DataError
from search.selection.new_images import NewImages
from search.selection.predicting import MASKS, OVERLAYS, SUBMISSION, Package, has_submission, predict_images
from search.words import plural

MOST_NAMED = 20


def print_predictions(
    console: Console, package: Package, images: NewImages, target: Path, *, alpha: float, overlays: bool
) -> None:
    """Predict all images, then say what was written. Raises DataError that names the images left out, if any."""
    columns = (TextColumn("images"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    left_out = []
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("images", total=len(images))
        for done in predict_images(package, images, target, alpha=alpha, overlays=overlays):
            if done.problem is not None:
                left_out.append(done.problem)
            progress.advance(task)
    written = len(images) - len(left_out)
    kinds = [MASKS, *([OVERLAYS] if overlays else [])]
    kinds += [SUBMISSION] if has_submission(package, images) else []
    line = f"{plural(written, 'image')} predicted: {', '.join(str(target / kind) for kind in kinds)}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    if left_out:
        more = f"\nand {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
        raise DataError(
            f"{len(left_out)} of {plural(len(images), 'image')} could not be used and have no mask:\n"
            + "\n".join(left_out[:MOST_NAMED])
            + more
        )
