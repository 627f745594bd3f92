"""The files of a package, and the one that says what images become before the network and masks behind it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from search.data.dataset import IntensityRange
from search.data.form import DataForm
from search.errors import StudyError
from search.training.palette import CLASS_COLORS
from spaces.schema import Config, Count, Positive

ONNX_NAME, TORCH_NAME = "model.onnx", "model.pt2"
PREPROCESSING_NAME = "preprocessing.json"
SCRIPT_NAME = "predict.py"
CARD_NAME = "README.md"
HASHES_NAME = "hashes.json"

Rgb = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a network takes and gives: images of `height` x `width` pixels, logits of `classes`."""

    height: int
    width: int
    classes: int


class PackageClass(Config):
    """A class: its name, its value in masks (a number, or red, green and blue), and the colour it is shown in."""

    name: str
    value: int | Rgb
    shown: Rgb


class Preprocessing(Config):
    """`preprocessing.json`: all that stands between an image file, the program, and a mask file.

    In this order: each channel is mapped linearly from its `intensity` to 0..255, rounded and clipped (null: images of
    8 bits, as they are); the image is shrunk to `scale` times its size by averaging over areas; padded by reflection at
    the bottom and on the right to at least `height` x `width`; cut into windows of that size which overlap by half.
    The program maps windows / 255 to logits; their average, weighted by triangles, is brought to the image's size
    bilinearly. The class of the highest logit is written as its `value`. `background`, `ignored` (classes whose pixels
    the metric left out) and `excluded` (never predicted) are positions in `classes`.
    """

    version: Literal[1] = 1
    channels: Count
    height: Count
    width: Count
    scale: Positive
    intensity: IntensityRange | None
    classes: tuple[PackageClass, ...] = Field(min_length=1)
    background: int | None
    ignored: tuple[int, ...]
    excluded: tuple[int, ...]

    @classmethod
    def of(cls, form: DataForm, size: tuple[int, int], excluded: tuple[int, ...] = ()) -> "Preprocessing":
        """The preprocessing for networks of the window `size` (height, width) on data of this form."""
        values = [split_color(label) if form.colored else label for label in form.labels]
        shown = [shown_color(index) for index in range(len(values))]
        return cls(
            channels=form.channels,
            height=size[0],
            width=size[1],
            scale=form.scale,
            intensity=form.intensity,
            classes=tuple(
                PackageClass(name=name, value=value, shown=color)
                for name, value, color in zip(form.class_names, values, shown, strict=True)
            ),
            background=form.background,
            ignored=form.ignored,
            excluded=excluded,
        )

    @property
    def form(self) -> DataForm:
        """What images must be like."""
        values = [entry.value for entry in self.classes]
        return DataForm(
            channels=self.channels,
            class_names=tuple(entry.name for entry in self.classes),
            labels=tuple(value if isinstance(value, int) else join_color(value) for value in values),
            colored=not isinstance(values[0], int),
            background=self.background,
            ignored=self.ignored,
            intensity=self.intensity,
            scale=self.scale,
        )

    @property
    def window(self) -> Window:
        """What the program takes and gives."""
        return Window(height=self.height, width=self.width, classes=len(self.classes))

    def to_json(self) -> str:
        """This as JSON text."""
        return self.model_dump_json(indent=2) + "\n"


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read `preprocessing.json` in `folder`. Raises StudyError."""
    path = folder / PREPROCESSING_NAME
    try:
        return Preprocessing.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}; export the study again") from error
    except ValueError as error:
        raise StudyError(f"{path} is not of this version of the tool: {error}") from error


def split_color(code: int) -> Rgb:
    """Red, green and blue of 0xRRGGBB."""
    return code >> 16, code >> 8 & 255, code & 255


def join_color(color: Rgb) -> int:
    """0xRRGGBB of red, green and blue."""
    return color[0] << 16 | color[1] << 8 | color[2]


def shown_color(index: int) -> Rgb:
    """The colour in which class `index` is shown."""
    red, green, blue = CLASS_COLORS[index % len(CLASS_COLORS)].tolist()
    return red, green, blue
