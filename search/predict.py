"""`python -m search.predict DIR IMAGES --to OUT`: masks of new images, with an exported network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from search.command import run_command
from search.errors import UserError

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Predict masks of images with a package that search.export wrote, and lay them over the images in colour.

    An image that cannot be used is left out and named at the end; the exit code is then 2.
    """

    package: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """What search.export wrote."""

    images: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")]
    """A folder of images, an image, or an npz file: of its test_set a submission.csv is written, too."""

    to: Annotated[Path, tyro.conf.arg(metavar="OUT")]
    """The folder to write: new, or empty."""

    alpha: float = 0.5
    """How much colour lies over the image, from 0 to 1."""

    masks_only: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Draw no overlays."""

    device: Device = "auto"
    """Where to compute: auto is a GPU, if there is one."""

    def check(self) -> None:
        """Raise UserError for an alpha outside 0 to 1."""
        if not 0 <= self.alpha <= 1:
            raise UserError(f"--alpha must be between 0 and 1, got {self.alpha}")


def main() -> None:
    """Look at what is there, load the network, predict, say what was written."""
    options = tyro.cli(PredictOptions, prog="python -m search.predict")
    options.check()
    from search.selection.export import check_empty
    from search.selection.new_images import find_images
    from search.selection.package.hashes import read_hashes

    read_hashes(options.package)  # whether it is a package at all, before torch is imported
    images = find_images(options.images)
    check_empty(options.to)
    from rich.console import Console

    from search.selection.predicting import Package
    from search.terminal.predicting import print_predictions

    package = Package.load(options.package, chosen_device(options.device))
    print_predictions(
        Console(highlight=False), package, images, options.to, alpha=options.alpha, overlays=not options.masks_only
    )


def chosen_device(asked: Device) -> str:
    """The device by torch's name. Raises UserError where a GPU is asked for and there is none."""
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda needs a GPU that torch can use; there is none. Leave --device out")
    return "cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    run_command(main)
