"""Validation images on which the best trial is worst and best: image, truth, prediction, and where they differ."""

from collections.abc import Sequence

from search.reporting.blocks import Block, Gallery, Picture, Swatch, Words
from search.reporting.charts import PAPER
from search.reporting.material import Material
from search.reporting.measurements import Example
from search.training.palette import CLASS_COLORS, VOID_COLORS
from search.training.pictures import WRONG
from search.words import plural
from spaces.facts import DataFacts

MOST_SWATCHES = 20


def image_blocks(material: Material) -> tuple[Block, ...]:
    """The two galleries, or the sentence that says why there are none."""
    validation = material.measured.validation
    if validation is None:
        return (Words(text=material.not_validated),)
    if not validation.worst:
        return (Words(text="No validation image has a pixel that counts."),)
    legend = swatches(material.spec.facts)
    chosen = f"of {plural(validation.counted, 'validation image')}, by the mean IoU over each image alone"
    galleries = [
        Gallery(
            title=f"The {plural(len(validation.worst), 'image')} on which trial {validation.trial} is worst",
            words=f"Chosen {chosen}. Look for what these have in common: rare classes, light, or wrong labels.",
            legend=legend,
            rows=tuple(row(example) for example in validation.worst),
        )
    ]
    if validation.best:
        galleries.append(
            Gallery(
                title=f"The {plural(len(validation.best), 'image')} on which it is best",
                words=f"Chosen {chosen}. An image of a single class that is predicted rightly has an mIoU of 1.",
                legend=legend,
                rows=tuple(row(example) for example in validation.best),
            )
        )
    return tuple(galleries)


def row(example: Example) -> tuple[str, tuple[Picture, ...]]:
    """An example as a row of pictures with its words above."""
    words = f"{example.stem}: mIoU {example.miou:.3f}, {example.wrong:.1%} of the pixels that count are wrong"
    pictures = (
        Picture(source=example.image, words="image"),
        Picture(source=example.truth, words="truth"),
        Picture(source=example.prediction, words="prediction"),
        Picture(source=example.differing, words="where they differ"),
    )
    return words, pictures


def swatches(facts: DataFacts) -> tuple[Swatch, ...]:
    """The colours of the classes, of what differs and of what has no label."""
    names: Sequence[str] = facts.class_names[:MOST_SWATCHES]
    classes = [
        Swatch(color=_hex(CLASS_COLORS[index]), words=f"{name}{', not counted' if index in facts.ignored else ''}")
        for index, name in enumerate(names)
    ]
    rest = facts.classes - len(names)
    words = f"{rest} more class{'' if rest == 1 else 'es'}; colours repeat"
    unnamed = [Swatch(color=PAPER, words=words)] if rest else []
    return (
        *classes,
        *unnamed,
        Swatch(color=_hex(WRONG), words="differs"),
        Swatch(color=_hex(VOID_COLORS[1]), words="no label, or not counted (striped)"),
    )


def _hex(color: Sequence[int]) -> str:
    red, green, blue = (int(part) for part in color)
    return f"#{red:02x}{green:02x}{blue:02x}"
