"""The best trial's kept weights on the validation images: its confusion matrix, and where it is worst and best."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError

from models.build import build_model
from search.data.prepare import PreparedData
from search.data.samples import TrialData
from search.errors import StudyError
from search.reporting.measurements import Example, Validation, file_hash
from search.training.checkpoint import load_weights
from search.training.compute import Compute
from search.training.metrics import confusion_matrix
from search.training.pictures import Example as Pictured
from search.training.pictures import differing_share, panels, to_png
from search.training.validation import objective, predict
from search.tuning.record import TrialRecord
from spaces.facts import DataFacts

SHOWN = 4
"""How many of the worst and of the best images are shown."""


def validate_trial(record: TrialRecord, weights: Path, prepared: PreparedData) -> Validation:
    """Predict the validation part with a trial's weights. Raises StudyError where they are of another network."""
    data, config = prepared.trial, record.config
    model = build_model(config.model)
    try:
        load_weights(weights, model)
    except (RuntimeError, SafetensorError) as error:
        raise StudyError(f"the weights of trial {record.number} cannot be read: {error}") from error
    compute = Compute.here(config.budget)
    compute.place(model)
    predicted = predict(model, data, compute)
    matrices = confusions(predicted, data)
    worst, best = extremes(image_mious(matrices, data.facts), shown_sizes(matrices, data.facts), SHOWN)
    stems = [prepared.split.stems[index] for index in prepared.split.indices("validation")]

    def examples(indices: Sequence[int]) -> tuple[Example, ...]:
        return tuple(example(index, stems[index], predicted[index], matrices[index], data) for index in indices)

    return Validation(
        trial=record.number,
        weights=file_hash(weights),
        confusion=tuple(tuple(row) for row in matrices.sum(0).tolist()),
        worst=examples(worst),
        best=examples(best),
        counted=len(data.validation),
    )


def confusions(predicted: Sequence[np.ndarray], data: TrialData) -> torch.Tensor:
    """The confusion matrix (N, K, K) of each validation image."""
    return torch.stack(
        [
            confusion_matrix(torch.tensor(mask)[None], torch.tensor(truth)[None], data.facts.classes)
            for mask, truth in zip(predicted, data.validation.masks, strict=True)
        ]
    )


def image_mious(matrices: torch.Tensor, facts: DataFacts) -> list[float | None]:
    """The mean IoU of each image (N, K, K) alone, None where none of its pixels counts."""
    counted = [index for index in range(facts.classes) if index not in facts.ignored]
    return [objective(matrix, facts) if int(matrix[counted].sum()) else None for matrix in matrices]


def extremes(
    values: Sequence[float | None], shown: Sequence[tuple[int, int]], count: int
) -> tuple[list[int], list[int]]:
    """The indices of the lowest and of the highest values, the most extreme first; no index is in both.

    Of equal values those come first of which more is `shown`: (classes, pixels) that count in the truth. (Images of one
    class, all right or all wrong, are many.)
    """
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    lowest = sorted(known, key=lambda entry: (entry[1], *(-size for size in shown[entry[0]]), entry[0]))
    highest = sorted(known, key=lambda entry: (-entry[1], *(-size for size in shown[entry[0]]), entry[0]))
    each = min(count, len(known) // 2) or len(known)
    worst = [index for index, _ in lowest[:each]]
    return worst, [index for index, _ in highest if index not in worst][:each]


def shown_sizes(matrices: torch.Tensor, facts: DataFacts) -> list[tuple[int, int]]:
    """For each image (N, K, K) how many classes its truth holds, and how many pixels, of those that count."""
    counted = [index for index in range(facts.classes) if index not in facts.ignored]
    rows = matrices[:, counted].sum(2)
    return list(zip((rows > 0).sum(1).tolist(), rows.sum(1).tolist(), strict=True))


def example(index: int, stem: str, predicted: np.ndarray, matrix: torch.Tensor, data: TrialData) -> Example:
    """An image with its truth, its prediction, and where they differ."""
    part, facts = data.validation, data.facts
    pictured = Pictured(number=index + 1, image=part.images[index], truth=part.masks[index], predicted=predicted)
    image, truth, prediction, differing = (data_uri(panel) for panel in panels(pictured, facts))
    return Example(
        stem=stem,
        miou=objective(matrix, facts),
        wrong=differing_share(pictured, facts) or 0.0,
        image=image,
        truth=truth,
        prediction=prediction,
        differing=differing,
    )


def data_uri(panel: np.ndarray) -> str:
    """A panel (h, w, 3) uint8 as a PNG file inside an address: the page needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(to_png(Image.fromarray(panel))).decode()}"
