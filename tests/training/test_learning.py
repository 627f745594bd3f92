"""A network learns what brightness does not tell."""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from search.data.prepare import prepare_data
from search.data.samples import TrialData
from search.training.loop import train
from search.training.metrics import confusion_matrix, mean_iou
from search.tuning.trial_folder import trial_files
from spaces.config import BudgetConfig
from spaces.presets import build_space

EPOCHS = 6


def by_brightness(data: TrialData) -> float:
    """Validation mIoU of the better of two logistic regressions on the pixel's value and its square."""

    def features(images: np.ndarray) -> np.ndarray:
        values = images.reshape(-1, 1) / 255
        return np.hstack([values, values**2])

    truth = np.asarray(data.train.masks).reshape(-1)
    known = np.flatnonzero(np.isin(truth, data.facts.objective))
    chosen = np.random.default_rng(0).choice(known, 20_000, replace=False)
    masks = np.asarray(data.validation.masks)
    values = []
    for class_weight in (None, "balanced"):
        model = LogisticRegression(class_weight=class_weight, max_iter=300)
        model.fit(features(np.asarray(data.train.images))[chosen], truth[chosen])
        predicted = model.predict(features(np.asarray(data.validation.images))).reshape(masks.shape)
        confusion = confusion_matrix(torch.tensor(predicted), torch.tensor(masks), data.facts.classes)
        values.append(mean_iou(confusion, data.facts.objective, data.facts.ignored))
    return max(values)


def test_the_default_point_beats_twice_a_regression_on_brightness(tmp_path: Path) -> None:
    data = prepare_data(None, seed=0).trial
    default = build_space("unet_family", data.facts).default
    config = default.model_copy(update={"budget": BudgetConfig(max_epochs=EPOCHS)})
    reports = list(train(config, data, trial_files(tmp_path)))
    best = max(report.miou for report in reports)
    assert best > 2 * by_brightness(data)
