"""How the files of a data set became what networks see, and how its masks name classes: what new images need, too."""

from typing import Self

from search.data.dataset import IntensityRange, SegmentationData
from spaces.schema import Config


class DataForm(Config):
    """What a network's user must know of the data that it was trained on; no pixel of it.

    `labels` holds the value of each class in the masks' files, where `colored` a colour as 0xRRGGBB. `intensity` is the
    range of each channel that became 0 to 255, None where files had 8 bits. Images were shrunk to `scale` times their
    size before windows of the training size were cut.
    """

    channels: int
    class_names: tuple[str, ...]
    labels: tuple[int, ...]
    colored: bool = False
    background: int | None = None
    ignored: tuple[int, ...] = ()
    intensity: IntensityRange | None = None
    scale: float = 1.0

    @classmethod
    def of(cls, data: SegmentationData, scale: float) -> Self:
        """The form of a data set whose images are shrunk to `scale`."""
        return cls(
            channels=data.channels,
            class_names=data.class_names,
            labels=data.labels,
            colored=data.colored,
            background=data.background,
            ignored=data.ignored,
            intensity=data.intensity,
            scale=scale,
        )
