"""Loss terms for semantic segmentation, their mixture, and the builder that reads a LossConfig."""

from search.training.losses.boundary import distance_maps
from search.training.losses.build import build_loss
from search.training.losses.class_weights import class_weights
from search.training.losses.mixture import SegmentationLoss

__all__ = ["SegmentationLoss", "build_loss", "class_weights", "distance_maps"]
