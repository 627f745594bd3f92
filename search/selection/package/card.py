"""The model card (Mitchell et al. 2019), in Markdown, with the metadata that the Hugging Face hub reads above it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import yaml

from search.data.audit import Audit
from search.selection.answer import Answer
from search.selection.package.card_results import result_lines
from search.selection.package.contents import (
    CARD_NAME,
    HASHES_NAME,
    ONNX_NAME,
    PREPROCESSING_NAME,
    SCRIPT_NAME,
    TORCH_NAME,
    Preprocessing,
)
from search.selection.package.markdown import escaped, one_line, table
from search.selection.package.programs import Program, agreement
from search.selection.predictor import PREDICTOR_NAME, Predictor
from search.tuning.best import BestConfig
from search.tuning.engine import count_tried
from search.tuning.folder import BEST_NAME
from search.tuning.overview import count_kinds
from search.tuning.reading import StoredStudy
from spaces.losses import IgnoreBackground


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """All that a card tells of. `answer` is None where the predictor is not the study's answer.

    `openings` counts how often the study's locked test part was opened, for whatever predictor.
    """

    study: StoredStudy
    best: BestConfig
    predictor: Predictor
    preprocessing: Preprocessing
    answer: Answer | None
    openings: int
    audit: Audit | None
    programs: Sequence[Program]
    licence: str


def model_card(facts: CardFacts) -> str:
    """The text of `README.md`."""
    names = ", ".join(escaped(entry.name) for entry in facts.preprocessing.classes)
    lines = [
        "---",
        yaml.safe_dump(metadata(facts), sort_keys=False, allow_unicode=True).rstrip("\n"),
        "---",
        "",
        f"# {escaped(facts.best.study)}",
        "",
        f"{facts.predictor.words.capitalize()} that gives each pixel of an image one of "
        f"{len(facts.preprocessing.classes)} classes: {names}. Found by segtune, a search over configurations of "
        f"networks; exported on {today().isoformat()}. Licence: {escaped(facts.licence)}.",
        "",
        *use_lines(facts),
        *intended_lines(facts),
        *class_lines(facts),
        *data_lines(facts),
        *search_lines(facts),
        *result_lines(facts.best, facts.answer, facts.openings, facts.study.spec.facts.validation_images),
        *limit_lines(facts),
        *file_lines(facts),
    ]
    return "\n".join(lines) + "\n"


def today() -> date:
    """The date of the export."""
    return datetime.now(UTC).date()


def metadata(facts: CardFacts) -> dict[str, Any]:
    """The metadata at the top of the card, by the names of the Hugging Face hub."""
    part, value = "validation", facts.best.miou
    if facts.answer is not None:
        part, value = "validation", facts.answer.validation
        if facts.answer.test is not None:
            part, value = "test", facts.answer.test.systems[0].miou.value
    result = {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": one_line(facts.study.spec.data_name), "type": "custom", "split": part},
        "metrics": [{"type": "mean_iou", "value": round(value, 4), "name": f"mIoU ({part})"}],
    }
    return {
        "license": one_line(facts.licence),
        "library_name": "segtune",
        "pipeline_tag": "image-segmentation",
        "tags": ["semantic-segmentation", "segtune", *(["onnx"] if _has(facts, ONNX_NAME) else [])],
        "metrics": ["mean_iou"],
        "model-index": [{"name": facts.best.study, "results": [result]}],
    }


def use_lines(facts: CardFacts) -> list[str]:
    """How to use it."""
    runtimes = [name for file, name in ((ONNX_NAME, "onnxruntime"), (TORCH_NAME, "torch")) if _has(facts, file)]
    lines = ["## How to use it", ""]
    if runtimes:
        lines += [
            "```sh",
            f"pip install numpy pillow {runtimes[0]}",
            f"python {SCRIPT_NAME} IMAGES --to FOLDER",
            "```",
            "",
            f"`{SCRIPT_NAME}` does all that `{PREPROCESSING_NAME}` says, and runs the network with "
            f"{' or '.join(runtimes)}. Masks hold the values of the masks that the network was trained on.",
            "",
        ]
    lines += [
        "With segtune: `uv run python -m search.predict DIR IMAGES --to OUT`, where DIR is this folder; it draws "
        "coloured overlays too.",
        "",
    ]
    failed = [program for program in facts.programs if not program.written]
    for program in failed:
        lines += [f"There is no `{program.name}` ({program.words}): {escaped(program.problem or '')}.", ""]
    for program in facts.programs:
        if program.difference is not None:
            lines += [
                f"`{program.name}` ({program.words}) was compared with the network on noise: {agreement(program)}.",
                "",
            ]
    return lines


def _has(facts: CardFacts, file: str) -> bool:
    return any(program.written for program in facts.programs if program.name == file)


def intended_lines(facts: CardFacts) -> list[str]:
    """What it is for, and what not."""
    return [
        "## Intended use",
        "",
        f"Images like those of the data {escaped(facts.study.spec.data_name)}: "
        f"{counted(facts.preprocessing.channels, 'channel')}, the same kind of scenes, sensor and scale. Not for "
        "decisions about people or safety without a test of one's own; not for other kinds of images, on which nothing "
        "was measured.",
        "",
    ]


def class_lines(facts: CardFacts) -> list[str]:
    """The classes, their values in masks, what is special about each, and how much of the data they are."""
    settings, audit = facts.preprocessing, facts.audit
    total = sum(entry.pixels for entry in audit.classes) if audit else 0
    rows = []
    for index, entry in enumerate(settings.classes):
        roles = (
            *(["background"] if index == settings.background else []),
            *(["not counted in the metric"] if index in settings.ignored else []),
            *(["never predicted"] if index in settings.excluded else []),
        )
        value = str(entry.value) if isinstance(entry.value, int) else "#{:02x}{:02x}{:02x}".format(*entry.value)
        counts = ["unknown", "unknown"]
        if audit is not None and index < len(audit.classes):
            found = audit.classes[index]
            counts = [f"{found.pixels / max(1, total):.1%}", str(found.images)]
        rows.append([escaped(entry.name), f"`{value}`", ", ".join(roles), *counts])
    head = ["class", "value in masks", "", "share of the labelled pixels", "images with it"]
    return ["## Classes", "", *table(head, rows), ""]


def data_lines(facts: CardFacts) -> list[str]:
    """What the network was trained on, by the audit."""
    spec, audit, best = facts.study.spec, facts.audit, facts.best
    known = spec.facts
    lines = ["## Data", ""]
    lines.append(
        f"- {escaped(spec.data_name)}; fingerprint (sha256) `{best.data.fingerprint}`. It is not part of this package."
    )
    if audit is None:
        lines.append("- There is no audit of it in the study's folder.")
    else:
        locked = audit.kept - known.train_images - known.validation_images
        lines += [
            f"- {audit.images} images of {audit.smallest[0]}x{audit.smallest[1]} to "
            f"{audit.largest[0]}x{audit.largest[1]} pixels, {counted(audit.channels, 'channel')}, "
            f"{counted(audit.groups, 'named group')}; "
            f"{len(audit.outliers)} removed as outliers, {len(audit.duplicates)} sets of near-duplicates.",
            f"- Split by {escaped(best.data.split.words)}: {known.train_images} to train, {known.validation_images} to "
            f"validate, {locked} locked for the test.",
            *(f"- {escaped(warning)}" for warning in audit.warnings),
        ]
    size = facts.preprocessing
    scale = "" if size.scale == 1 else f", shrunk to {size.scale:.4g} times their size"
    lines.append(f"- Networks see windows of {size.height}x{size.width} pixels of the images{scale}.")
    return [*lines, ""]


def search_lines(facts: CardFacts) -> list[str]:
    """How the configuration was found."""
    spec, records = facts.study.spec, facts.study.records
    counts = count_kinds(records)
    ended = ", ".join(f"{counts[kind]} {kind}" for kind in ("complete", "pruned", "refused", "failed") if counts[kind])
    seconds = sum(record.seconds for record in records)
    members = [
        f"- {escaped(member.origin)}: {escaped(member.config.model.words)}, weight {member.share:.3g}, temperature "
        f"{member.temperature:.3g}, `{member.weights}`"
        for member in facts.predictor.members
    ]
    started = facts.best.config.pretrained
    return [
        "## How it was found",
        "",
        f"- Space: {escaped(spec.space)}; {counted(count_tried(records), 'trial')} of at most "
        f"{counted(spec.max_epochs, 'epoch')} ({ended}); "
        f"{seconds / 3600:.2f} hours of training in all, seed {spec.seed}.",
        f"- Each trial was measured by its mean IoU on the same {spec.facts.validation_images} validation images, and "
        f"poor ones ended early. `{BEST_NAME}` is trial {facts.best.trial}.",
        f"- Started from: {'random weights' if started == 'none' else escaped(started)}.",
        "- The networks:",
        *(f"  {line}" for line in members),
        "",
    ]


def counted(count: int, word: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def limit_lines(facts: CardFacts) -> list[str]:
    """What to be careful with."""
    lines = ["## Limits", ""]
    known = facts.study.spec.facts
    names = known.class_names
    absent = [names[index] for index in range(known.classes) if index not in (*known.objective, *known.ignored)]
    if absent:
        listing = ", ".join(map(escaped, absent))
        lines.append(f"- Not in the validation images, so never measured in the search: {listing}.")
    if any(isinstance(member.config.loss.background, IgnoreBackground) for member in facts.predictor.members):
        lines.append("- It never learned to predict the background: its pixels were left out of the training.")
    if facts.preprocessing.excluded:
        lines.append("- Classes that are never predicted are marked in the table of classes.")
    lines += [
        "- Probabilities are those of a network trained on few images; they are not calibrated for other data.",
        "- Computed here in float32; trials may have been measured in bfloat16, which moves few pixels.",
        "",
    ]
    return lines


def file_lines(facts: CardFacts) -> list[str]:
    """The files of the package."""
    weights = [(member.weights, f"weights of {escaped(member.origin)}") for member in facts.predictor.members]
    programs = [(program.name, f"the same as a program ({program.words})") for program in facts.programs]
    files = [
        (BEST_NAME, "a trial's configuration: `uv run python -m search.train` trains it again on the same data"),
        (PREDICTOR_NAME, "which networks predict, and how they are averaged"),
        *weights,
        *(entry for entry in programs if _has(facts, entry[0])),
        (PREPROCESSING_NAME, "classes, and what is done to images before and after the network"),
        (SCRIPT_NAME, "predicts masks; needs numpy and onnxruntime or torch alone"),
        (CARD_NAME, "this card"),
        (HASHES_NAME, "sha256 of every file, of the data, the split and the configuration; versions of packages"),
    ]
    return ["## Files", "", *table(["file", "what it is"], [[f"`{name}`", words] for name, words in files])]
