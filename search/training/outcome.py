"""What a trial says while it trains, and how it ended. Imports no torch: the driver of a search reads these."""

from collections.abc import Generator, Sequence
from typing import Literal

from spaces.schema import Config, Count

AugmentedOn = Literal["cpu", "device"]


class NetworkCosts(Config):
    """What one image of the training size costs: `latency` in milliseconds, None where it was not measured; `macs`, its
    multiply-adds; the `parameters` of the network.
    """

    latency: float | None = None
    macs: int
    parameters: int


class EpochReport(Config):
    """One epoch, measured on the validation part after it.

    `miou` is the objective: mean IoU over the classes present in the validation truth, pixels of ignored classes left
    out. `readings` holds the other readings of the metric where the data has a background. `seconds` counts training
    and validation of this epoch, `threads` the CPU threads it had: another number rounds sums in another order.
    `augmented_on` says where labelled training images were: both ways draw from the same distributions, other numbers.
    `pretrained` is the share of the network's parameters that started from given weights, None where none were given.
    `costs` stand in the first report of a trial whose search has several objectives.
    """

    epoch: int
    miou: float
    class_iou: tuple[float | None, ...]
    readings: dict[str, float]
    train_loss: float
    learning_rate: float
    seconds: float
    threads: Count
    augmented_on: AugmentedOn = "cpu"
    pretrained: float | None = None
    costs: NetworkCosts | None = None


def best_report(reports: Sequence[EpochReport]) -> EpochReport:
    """The first report of the best value, of at least one."""
    return max(reports, key=lambda report: (report.miou, -report.epoch))


EndKind = Literal["trained", "early_stopped", "over_limit", "not_finite", "out_of_memory", "unwritable", "crashed"]


class TrialOutcome(Config):
    """How a trial ended by itself. Being pruned is the search's decision and is no outcome of training."""

    kind: EndKind
    reason: str = ""


Training = Generator[EpochReport, None, TrialOutcome]
"""A trial in training: yields a report an epoch, returns how it ended."""


class IncompatibleWeightsError(ValueError):
    """The network cannot start from the weights that its configuration names."""


class NotFiniteError(ArithmeticError):
    """The loss became NaN or infinite."""
