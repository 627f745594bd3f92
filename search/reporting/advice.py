"""What the study says about a next search, in sentences: rules of thumb, each with the numbers that it follows from."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.reporting.blocks import Block, Bullets, Words
from search.reporting.charts import option_text
from search.reporting.history import best_by_time
from search.reporting.material import Material
from search.tuning.importance import Importance
from search.tuning.parameters import Parameter
from search.tuning.record import TrialRecord
from search.words import count_text, duration_words, plural

TOP = 5
"""How many of the best trials advice follows from, unless a quarter of all is more."""

FEWEST_TRIALS = 8
"""Below this number of trials with a value there is no advice on parameters."""

FEWEST_TOLD = 20
"""Below this number, that a parameter made no difference may only say that it was hardly tried."""

EDGE = 0.1
"""The outer tenth of a range is its edge."""

MATTERS_NOT = 0.01
"""A parameter with a smaller share of the differences did not matter."""

LAST_EPOCHS = 5


def advice_blocks(material: Material) -> tuple[Block, ...]:
    """The sentences, or one that says that there are none."""
    trials = material.ranked
    if len(trials) < FEWEST_TRIALS:
        text = f"Advice needs at least {FEWEST_TRIALS} trials with a value; this study has {len(trials)} so far."
        return (Words(text=text),)
    sentences = [
        *edge_sentences(top(trials), material.parameters),
        *unimportant_sentences(material.importances, len(trials)),
        *noise_sentences(material),
        *epoch_sentences(top(trials), material.spec.max_epochs),
        *time_sentences(material.records),
        *refused_sentences(material.records),
    ]
    if not sentences:
        return (Words(text="Nothing stands out: no range is hit at its edge, and no parameter was without effect."),)
    return (Bullets(items=tuple(sentences)),)


def top(trials: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
    """The best quarter of `trials` (best first), but at least `TOP`."""
    return trials[: max(TOP, len(trials) // 4)]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A parameter whose best trials lie at one end of its range: how many of those that have it, and which end."""

    parameter: Parameter
    upper: bool
    count: int
    having: int


def edges(trials: Sequence[TrialRecord], parameters: Mapping[str, Parameter]) -> list[Edge]:
    """Ranges and ordered options that more than half of `trials` hit at one end, where at least `TOP` have them.

    Left out are a lowest value of 0, which is "off", and the shares of loss terms, which are no quantity of their own.
    """
    found = []
    for parameter in parameters.values():
        having = [record.params[parameter.name] for record in trials if parameter.name in record.params]
        if len(having) < TOP or parameter.name.endswith(".u") or not _ordered(parameter):
            continue
        positions = [parameter.position(value) for value in having]
        width = EDGE if parameter.numeric and not _few(parameter) else 0.0
        for upper in (False, True):
            count = sum(at >= 1 - width if upper else at <= width for at in positions)
            if 2 * count > len(having) and (upper or _lowest(parameter) != 0):
                found.append(Edge(parameter=parameter, upper=upper, count=count, having=len(having)))
    return found


def _few(parameter: Parameter) -> bool:
    """Whether a range of whole numbers has too few for a tenth of it to hold one."""
    return parameter.whole and parameter.high - parameter.low < 1 / EDGE


def _ordered(parameter: Parameter) -> bool:
    """Whether there is anything beyond its ends: a range, or at least three numbers in ascending order."""
    options = parameter.options
    if parameter.numeric:
        return True
    numbers = [option for option in options if isinstance(option, int | float) and not isinstance(option, bool)]
    return len(numbers) == len(options) >= 3 and numbers == sorted(numbers)


def _lowest(parameter: Parameter) -> object:
    return parameter.low if parameter.numeric else parameter.options[0]


def edge_sentences(trials: Sequence[TrialRecord], parameters: Mapping[str, Parameter]) -> list[str]:
    """Where a range should be widened."""
    sentences = []
    for edge in edges(trials, parameters):
        parameter = edge.parameter
        low, high = (
            (parameter.low, parameter.high) if parameter.numeric else (parameter.options[0], parameter.options[-1])
        )
        end = "upper" if edge.upper else "lower"
        direction = f"above {option_text(high)}" if edge.upper else f"below {option_text(low)}"
        sentences.append(
            f"{parameter.name}: {edge.count} of the best {edge.having} trials that have it lie at the {end} end of "
            f"{option_text(low)} to {option_text(high)}. Values {direction} may be better: widen it in a space "
            "of your own."
        )
    return sentences


def unimportant_sentences(importances: Sequence[Importance], trials: int) -> list[str]:
    """Which parameters could be fixed: without effect, in at least half of the trials, beyond the spread."""
    names = [
        entry.name
        for entry in importances
        if entry.mean + 2 * entry.spread < MATTERS_NOT and 2 * entry.trials >= trials
    ]
    if not names or trials < FEWEST_TOLD:
        return []
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return [
        f"These parameters made no difference that {trials} trials show (less than {MATTERS_NOT:.0%} of it each): "
        f"{shown}. Fixed at a cheap value, they leave the search more trials for the rest."
    ]


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How much an mIoU varies by chance (standard deviation), and how that is known."""

    value: float
    words: str


def noise(material: Material) -> Noise | None:
    """The answer's seed noise, else the spread of the last epochs of the best trials; None where there is neither."""
    if material.answer is not None and material.answer.seed_noise is not None:
        return Noise(value=material.answer.seed_noise, words="the standard deviation between seeds")
    spreads = [last_spread(record) for record in material.ranked[:TOP]]
    known = [spread for spread in spreads if spread is not None]
    if not known:
        return None
    pooled = math.sqrt(statistics.fmean(spread**2 for spread in known))
    return Noise(value=pooled, words=f"the spread of the last {LAST_EPOCHS} epochs of the best trials")


def last_spread(record: TrialRecord) -> float | None:
    """The standard deviation of the values of the last `LAST_EPOCHS` epochs, None where there are not so many."""
    values = [value for _, value in sorted(record.values.items())][-LAST_EPOCHS:]
    return statistics.stdev(values) if len(values) == LAST_EPOCHS else None


def noise_sentences(material: Material) -> list[str]:
    """Which trials cannot be told from the best, and which of them is the cheapest."""
    known, trials = noise(material), material.ranked
    if known is None or known.value <= 0:
        return []
    best = trials[0].best_value or 0.0
    # The difference of two values of this spread has sqrt(2) times it; two of those are rarely chance.
    within = 2 * math.sqrt(2) * known.value
    equal = [record for record in trials if best - (record.best_value or 0.0) <= within]
    if len(equal) < 2:
        return [f"Trial {trials[0].number} is ahead by more than the noise ({known.value:.4f}, {known.words})."]
    numbers = ", ".join(str(record.number) for record in equal[:8]) + (", ..." if len(equal) > 8 else "")
    costs = material.measured.costs
    priced = [record.number for record in equal if record.number in costs]
    cheapest = min(priced, key=lambda number: (costs[number].macs, number), default=None)
    cheap = (
        f" Of these, trial {cheapest} needs the fewest multiply-adds, {count_text(costs[cheapest].macs)}."
        if cheapest is not None
        else ""
    )
    return [
        f"{len(equal)} trials are within the noise of the best one ({known.value:.4f}, {known.words}; differences "
        f"below {within:.4f} may be chance): {numbers}. More seeds tell them apart, more trials do not.{cheap}"
    ]


def epoch_sentences(trials: Sequence[TrialRecord], max_epochs: int) -> list[str]:
    """Whether trials should be longer: most of the best were at their best in the last tenth of the epochs."""
    late = [record for record in trials if record.best_epoch >= math.ceil(0.9 * max_epochs)]
    if 2 * len(late) <= len(trials):
        return []
    return [
        f"{len(late)} of the best {len(trials)} trials were at their best in the last tenth of {max_epochs} epochs: "
        "longer trials (--max-epochs) may reach more."
    ]


def time_sentences(records: Sequence[TrialRecord]) -> list[str]:
    """Whether the search was still getting better."""
    steps = best_by_time(records)
    if not steps:
        return []
    (total, _), (last, _) = steps[-1], steps[-2]
    if last > 0.75 * total:
        return [
            f"The best value last rose after {duration_words(last)} of {duration_words(total)}: the search was "
            "still getting better, and the same command continues it."
        ]
    if last < 0.5 * total:
        return [
            f"The best value has not risen since {duration_words(last)} of {duration_words(total)}: more of the same "
            "would bring little. Another space, longer trials or more data are likelier to help."
        ]
    return []


def refused_sentences(records: Sequence[TrialRecord]) -> list[str]:
    """Whether limits cut off much of the space."""
    refused = sum(record.refused for record in records)
    if 3 * refused <= len(records):
        return []
    return [
        f"{plural(refused, 'trial')} of {len(records)} were refused: the limits cut off much of the space. Raise "
        "--max-params or --max-macs, give more --time-budget, or take a space of smaller networks."
    ]
