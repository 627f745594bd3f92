"""Whether a configuration is small enough to be trained, decided before it trains."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spaces.config import TrialConfig

UNFIT = "the pretrained weights do not fit"
"""How the reason begins where a network cannot start from the study's weights."""


@dataclass(frozen=True, kw_only=True)
class CostLimits:
    """The most parameters and multiply-adds an image, at the training size (None: no limit), and the weights of the
    file that networks must be able to start from, where the configuration names one.
    """

    max_params: int | None
    max_macs: int | None
    height: int
    width: int
    initial_weights: Mapping[str, np.ndarray] | None = None

    def refuse(self, config: TrialConfig) -> str | None:
        """The reason why a configuration may not be trained, None where it may.

        Parts that do not go together are one, where only building the network shows it.
        """
        from models.cost import measure_cost  # here: the search's own process builds this object and has no torch

        try:
            cost = measure_cost(config.model, self.height, self.width)
        except ValueError as error:
            return f"no such network: {error}"
        if self.max_params is not None and cost.parameters > self.max_params:
            return f"{cost.parameters / 1e6:.2f} M parameters are over the limit of {self.max_params / 1e6:.2f} M"
        if self.max_macs is not None and cost.macs > self.max_macs:
            return f"{cost.macs / 1e6:.0f} M multiply-adds an image are over the limit of {self.max_macs / 1e6:.0f} M"
        return self._refuse_start(config)

    def _refuse_start(self, config: TrialConfig) -> str | None:
        """The reason why the pretrained weights are not for this network."""
        from models.pretrained import check_initial_weights

        try:
            check_initial_weights(config.model, config.pretrained, self.initial_weights)
        except ValueError as error:
            return f"{UNFIT}: {error}"
        return None
