"""Test parts that are made up: confusion matrices of four networks on groups of images."""

import numpy as np

from benchmarks.made_up_groups import World

NAMES = ("soil", "bedrock", "sand", "big rock")


def drawn(groups: int = 30, holders: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Confusion matrices (4, N, 4, 4) of four networks, and the group of each image."""
    return World().draw(groups, holders, np.random.default_rng(seed))
