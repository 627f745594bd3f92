"""What search spaces and networks may know of the data, from the parts that a trial sees."""

import numpy as np

from search.data.counts import pixel_counts
from search.data.dataset import SegmentationData
from search.data.input_size import InputSize
from search.data.samples import Samples
from search.errors import DataError
from spaces.facts import DataFacts


def find_facts(
    data: SegmentationData, train: Samples, validation: Samples, size: InputSize, unlabelled: int = 0
) -> DataFacts:
    """Facts of the training part, with the objective's classes from the validation truth.

    `unlabelled` counts the images without labels. Raises DataError where validation holds no class that the objective
    counts.
    """
    counts = pixel_counts(train.masks)[:, : data.classes]
    seen = pixel_counts(validation.masks).sum(axis=0)
    objective = tuple(index for index in data.meaningful if seen[index] > 0)
    if not objective:
        raise DataError(
            "the mean IoU needs a class in the validation masks that is neither ignored nor void; there is none in "
            f"{len(validation)} images. Annotate more images, or declare fewer classes as ignored"
        )
    return DataFacts(
        channels=data.channels,
        class_names=data.class_names,
        background=data.background,
        ignored=data.ignored,
        objective=objective,
        height=size.height,
        width=size.width,
        train_images=len(train),
        validation_images=len(validation),
        class_pixels=tuple(counts.sum(axis=0).tolist()),
        class_images=tuple(np.count_nonzero(counts, axis=0).tolist()),
        pixels_with_class=tuple((counts.sum(axis=1) @ (counts > 0)).tolist()),
        unlabelled_images=unlabelled,
    )
