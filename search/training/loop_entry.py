"""The training loop by name: importing this module does not import torch, calling it does.

The process of a search hands `train_in_worker` to its workers and must stay without torch itself.
"""

from search.data.samples import TrialData
from search.training.files import TrialFiles
from search.training.outcome import Training
from spaces.config import TrialConfig


def train_in_worker(
    config: TrialConfig, data: TrialData, files: TrialFiles, known_epochs: int, threads: int
) -> Training:
    """See search.training.loop.train. Its end gives a GPU's cached memory back to the other trials there."""
    import torch

    from search.training.loop import train

    try:
        return (yield from train(config, data, files, known_epochs, threads))
    finally:
        torch.cuda.empty_cache()
