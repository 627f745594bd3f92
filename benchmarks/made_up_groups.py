"""Made-up groups of images and the confusion matrices of networks on them, whose true mean IoU is known.

They resemble the Mars tiles: most drives have one to three images and few have dozens, four classes count, the fourth
is rare and in few drives; what is hard in one image of a drive is hard in the others.
"""

import math
from dataclasses import dataclass

import numpy as np

from search.selection.resampling import count_pixels, measure

CLASSES = 4
RARE = 3
PIXELS = 64 * 128
MOST_IMAGES = 60
AT_ONCE = 1000
"""Groups, about, that are drawn in one go for the true values."""


@dataclass(frozen=True, kw_only=True)
class World:
    """How groups come about. Standard deviations are of the logit of the share of a class's pixels that are found.

    `skill` (M, 4) is that logit of each of M networks and each class on an average image. `by_group` is the deviation
    that all networks share in a group, `by_class` one for each class in a group, `own` one that each network has for
    itself in a group, `by_image` what images of a group differ by.
    """

    skill: tuple[tuple[float, ...], ...] = (
        (2.2, 1.6, 1.9, 0.6),
        (2.4, 1.7, 2.0, 0.9),
        (2.3, 1.8, 2.0, 0.8),
        (2.4, 1.7, 2.1, 1.0),
    )
    by_group: float = 0.7
    by_class: float = 0.7
    own: float = 0.4
    by_image: float = 0.5

    @property
    def networks(self) -> int:
        """How many networks there are: M."""
        return len(self.skill)

    def draw(self, groups: int, holders: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Confusion matrices (M, N, 4, 4) and the group of each image (N,).

        The truth of the first `holders` groups holds the rare class, as a stratified split gives each part its share.
        """
        sizes = np.clip(np.round(rng.lognormal(0.6, 1.0, groups)), 1, MOST_IMAGES).astype(int)
        places = np.repeat(np.arange(groups), sizes)
        pixels = _truth(places, groups, holders, rng)
        found = rng.binomial(pixels, self._accuracy(places, groups, rng))
        confusions = np.zeros((self.networks, len(places), CLASSES, CLASSES), np.int64)
        for truth in range(CLASSES):
            pattern = _mistakes(truth, places, groups, rng)
            confusions[:, :, truth] = rng.multinomial(pixels[:, truth] - found[:, :, truth], pattern)
            confusions[:, :, truth, truth] = found[:, :, truth]
        return confusions, places

    def true_values(
        self, groups: int, holders: int, systems: list[slice], *, population: int = 40_000, seed: int = 0
    ) -> np.ndarray:
        """What `measure` (S, 5) tends to with ever more groups, `holders` of `groups` of which hold the rare class.

        Computed from `population` other groups, about.
        """
        rng = np.random.default_rng(seed)
        total = np.zeros((self.networks, 3, CLASSES))
        times = math.ceil(AT_ONCE / groups)
        for _ in range(math.ceil(population / (times * groups))):
            confusions, _ = self.draw(times * groups, times * holders, rng)
            total += np.stack([count_pixels(each.sum(0)[None], range(CLASSES))[0] for each in confusions])
        return measure(total, systems)

    def _accuracy(self, places: np.ndarray, groups: int, rng: np.random.Generator) -> np.ndarray:
        """The share of each class's pixels that each network finds in each image: (M, N, 4)."""
        shared = rng.normal(0, self.by_group, (groups, 1)) + rng.normal(0, self.by_class, (groups, CLASSES))
        own = rng.normal(0, self.own, (self.networks, groups, 1))
        image = rng.normal(0, self.by_image, (len(places), 1))
        logits = np.array(self.skill)[:, None] + (shared + own)[:, places] + image
        return 1 / (1 + np.exp(-logits))


def _truth(places: np.ndarray, groups: int, holders: int, rng: np.random.Generator) -> np.ndarray:
    """Pixels of each class in the truth of each image (N, 4): a mixture of its group's, the rare class in holders."""
    scenes = rng.dirichlet((0.5, 0.8, 0.4), groups)
    common = rng.gamma(5 * scenes[places] + 0.02)
    common /= common.sum(1, keepdims=True)
    first = np.diff(places, prepend=-1) > 0
    holds = (places < holders) & (first | (rng.random(len(places)) < 0.5))
    rare = np.where(holds, rng.beta(1.2, 6, len(places)), 0)
    shares = np.column_stack([common * (1 - rare)[:, None], rare])
    pixels = np.floor(PIXELS * shares).astype(np.int64)
    pixels[:, RARE] += holds  # at least one
    return pixels


def _mistakes(truth: int, places: np.ndarray, groups: int, rng: np.random.Generator) -> np.ndarray:
    """What pixels of class `truth` are taken for where they are not found: shares (N, 4), the rare class seldom."""
    weights = rng.gamma(1.0, size=(groups, CLASSES)) + 0.02
    weights[:, RARE] *= 0.05
    weights[:, truth] = 0
    return (weights / weights.sum(1, keepdims=True))[places]
