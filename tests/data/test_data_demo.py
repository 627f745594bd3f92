"""The demo set has what its description promises, and brightness alone does not solve it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import jaccard_score

from search.data.audit import audit, clean
from search.data.demo import DUPLICATES, OUTLIERS, demo_data
from search.data.prepare import training_size, trial_data
from search.data.samples import Samples
from search.data.split import split


def test_shape_and_seed(demo):
    data = demo
    assert data.images.shape == (420, 64, 128, 1)
    assert data.fingerprint == demo_data().fingerprint != demo_data(seed=1).fingerprint
    assert len({group for group in data.groups if group}) >= 60
    assert None in data.groups


def test_planted_findings_are_found(demo):
    report = audit(demo)
    assert len(report.outliers) == OUTLIERS
    assert [len(stems) for stems in report.duplicates] == [2] * DUPLICATES
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("ignored: background (10% of the labelled pixels)")
    rare = report.classes[4]
    assert rare.pixels < 0.02 * sum(entry.pixels for entry in report.classes)
    assert 20 <= rare.images <= 60


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_brightness_alone_reaches_little(demo, class_weight):
    """Mean IoU of a logistic regression on the intensity of the labelled pixels.

    A U-Net of width 16 and depth 4 reaches .68 on the same split within six epochs of cross-entropy.
    """
    report = audit(demo)
    cleaned = clean(demo, report)
    chosen = split(cleaned, report, seed=0)
    trial = trial_data(cleaned, chosen, training_size(cleaned, chosen, None))
    (intensity, truth), (seen, expected) = (labelled(part) for part in (trial.train, trial.validation))
    model = LogisticRegression(class_weight=class_weight).fit(intensity[::37], truth[::37])
    found = model.predict(seen)
    score = jaccard_score(expected, found, labels=list(trial.facts.objective), average="macro")
    assert score < 0.2, f"mean IoU {score:.3f} from brightness alone"


def labelled(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Intensity (P, 1) and class (P,) of all pixels that are not background."""
    images, masks = np.asarray(samples.images), np.asarray(samples.masks)
    return images[masks != 0] / 255, masks[masks != 0]
