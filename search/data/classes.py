"""Which raw labels mean which class: a table in `classes.yaml`, or the labels found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from search.data.samples import VOID
from search.errors import DataError
from spaces.schema import Config

MAX_CLASSES = 254


def color_code(color: Any) -> int:
    """A colour, [r, g, b] or "#rrggbb", as the number 0xRRGGBB. Raises ValueError."""
    match color:
        case str() if len(color) == 7 and color[0] == "#":
            return int(color[1:], 16)
        case [int(red), int(green), int(blue)] if all(0 <= value <= 255 for value in (red, green, blue)):
            return red << 16 | green << 8 | blue
        case int() if 0 <= color < 1 << 24:
            return color
    raise ValueError('a colour is [red, green, blue], each 0 to 255, or "#rrggbb"')


Color = Annotated[int, BeforeValidator(color_code)]
Label = Annotated[int, Field(ge=0, le=65535)]


class ClassEntry(Config):
    """One class: its name, and either its label (grey value or palette index) or its colour in the masks."""

    name: Annotated[str, Field(min_length=1)]
    label: Label | None = None
    color: Color | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.label is None) == (self.color is None):
            raise ValueError(f"class {self.name!r} needs either a label or a color")
        return self

    @property
    def code(self) -> int:
        """The label, or the colour as 0xRRGGBB."""
        code = self.label if self.color is None else self.color
        assert code is not None
        return code


class ClassTable(Config):
    """`classes.yaml`: what the values of the masks mean.

        classes:
          - {name: background, label: 0}
          - {name: rock, label: 1}        # or color: [128, 64, 0], or color: "#804000"; one kind in the whole file
        ignored: [background]             # classes that the objective leaves out (optional)
        background: background            # the class that stands for "none of the others" (optional)
        void: [255]                       # labels or colours of pixels without a label (optional)

    Without `void`, label 255 is void unless a class declares it; in colour masks nothing is.
    A label found in a mask and not named here is an error.
    """

    classes: Annotated[tuple[ClassEntry, ...], Field(min_length=2, max_length=MAX_CLASSES)]
    ignored: tuple[str, ...] = ()
    background: str | None = None
    void: tuple[Color, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [entry.name for entry in self.classes]
        codes = [entry.code for entry in self.classes]
        if len(set(names)) < len(names) or len(set(codes)) < len(codes):
            raise ValueError("two classes share a name, a label or a color")
        if len({entry.color is None for entry in self.classes}) > 1:
            raise ValueError("either all classes have a label or all have a color")
        unknown = set(self.ignored) | ({self.background} if self.background is not None else set())
        if unknown - set(names):
            raise ValueError(f"ignored or background names no class: {sorted(unknown - set(names))}")
        if set(self.void or ()) & set(codes):
            raise ValueError("a value in void is the label or color of a class, too")
        return self

    @property
    def colored(self) -> bool:
        """Whether classes are told apart by colour."""
        return self.classes[0].color is not None


class Classes(Config):
    """The classes of a data set by index: raw labels (or colours), those that are void, background, ignored ones."""

    names: tuple[str, ...]
    labels: tuple[int, ...]
    void: tuple[int, ...] = ()
    background: int | None = None
    ignored: tuple[int, ...] = ()
    colored: bool = False

    def show(self, values: Sequence[int], most: int = 12) -> str:
        """Raw values for a message, colours as #rrggbb, cut after a dozen."""
        shown = ", ".join(f"#{value:06x}" if self.colored else str(value) for value in values[:most])
        return f"[{shown}, ... {len(values)} in all]" if len(values) > most else f"[{shown}]"


def read_class_table(path: Path) -> ClassTable:
    """Read `classes.yaml`. Raises DataError that names the offending key."""
    try:
        return ClassTable.from_yaml(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{path.name} cannot be used: {error}") from error


def declared_classes(table: ClassTable) -> Classes:
    """The classes of a table, in its order."""
    names = tuple(entry.name for entry in table.classes)
    labels = tuple(entry.code for entry in table.classes)
    void = table.void
    if void is None:
        void = () if table.colored or VOID in labels else (VOID,)
    return Classes(
        names=names,
        labels=labels,
        void=void,
        background=None if table.background is None else names.index(table.background),
        ignored=tuple(sorted({names.index(name) for name in table.ignored})),
        colored=table.colored,
    )


def found_classes(labels: Sequence[int]) -> Classes:
    """Classes of masks without a table: each label found, and 255 void only beside another label that is not 0.

    Masks of {0, 255} are binary. Raises DataError below two classes and above 254.
    """
    void = (VOID,) if VOID in labels and any(label not in (0, VOID) for label in labels) else ()
    kept = tuple(sorted(label for label in labels if label not in void))
    classes = Classes(names=tuple(f"class_{label}" for label in kept), labels=kept, void=void)
    if not 2 <= len(kept) <= MAX_CLASSES:
        raise DataError(
            f"masks need 2 to {MAX_CLASSES} classes; {len(kept)} found, labels {classes.show(kept)}. "
            "Declare the classes in classes.yaml"
        )
    return classes


def to_indices(masks: Sequence[np.ndarray] | np.ndarray, classes: Classes, stems: Sequence[str]) -> list[np.ndarray]:
    """Raw masks (H, W) of labels or colour codes as class indices and VOID. Raises DataError for undeclared labels."""
    table = lookup_table(classes)
    result = []
    for mask, stem in zip(masks, stems, strict=True):
        indices = table.take(mask, mode="clip")
        if (indices < 0).any():
            raise_undeclared(np.unique(mask[indices < 0]), stem, classes)
        result.append(indices.astype(np.uint8))
    return result


def lookup_table(classes: Classes) -> np.ndarray:
    """Class index of each raw value, -1 where undeclared; the last entry stands for all larger values."""
    table = np.full(max(*classes.labels, *classes.void, 0) + 2, -1, dtype=np.int16)
    table[list(classes.void)] = VOID
    table[list(classes.labels)] = np.arange(len(classes.labels))
    return table


def raise_undeclared(values: np.ndarray, stem: str, classes: Classes) -> None:
    """Say which values of this mask no class has."""
    raise DataError(
        f"every label in a mask must be declared in classes.yaml; mask {stem!r} holds {classes.show(values.tolist())}, "
        f"declared are {classes.show(classes.labels)} and void {classes.show(classes.void)}. "
        "Add the label as a class or under `void`"
    )
