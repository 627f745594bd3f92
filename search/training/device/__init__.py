"""Training batches on the device: the data set stays there, and whole chunks of an epoch are augmented at once.

Host and device never wait for each other within an epoch: what is random and small is drawn on the host and uploaded,
shapes follow from these draws alone, and no value is read back.
"""

from search.training.device.batches import DeviceBatches, TensorBatch
from search.training.device.distances import device_distance_maps
from search.training.device.graphs import GraphedStep

__all__ = ["DeviceBatches", "GraphedStep", "TensorBatch", "device_distance_maps"]
