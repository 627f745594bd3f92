"""Where a trial that trains leaves its files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TrialFiles:
    """The checkpoint that a trial goes on from, its best weights so far, and its folder of pictures.

    A picture is drawn after each epoch that `pictures_every` divides; 0 draws none.
    """

    checkpoint: Path
    weights: Path
    pictures: Path
    pictures_every: int = 0

    def picture(self, epoch: int) -> Path | None:
        """Where the picture of an epoch belongs, None where none is wanted. Names sort as epochs do."""
        if self.pictures_every == 0 or epoch % self.pictures_every:
            return None
        return self.pictures / f"epoch-{epoch:03d}.png"
