"""What a better mIoU costs: parameters, multiply-adds, and time an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.reporting.blocks import Block, Chart, Words
from search.reporting.charts import BLUE, GREY, MIOU, axis, log_ticks, new_figure, plain
from search.reporting.material import Material
from search.words import count_text, plural


def trade_off_blocks(material: Material) -> tuple[Block, ...]:
    """A figure for each kind of cost that was measured."""
    costs = material.measured.costs
    if not costs:
        return (Words(text="No trial has a value yet."),)
    facts = material.spec.facts
    size = f"{facts.height}x{facts.width} pixels"
    parameters = {number: float(cost.parameters) for number, cost in costs.items()}
    macs = {number: float(cost.macs) for number, cost in costs.items()}
    blocks: list[Block] = [
        front_chart(offers(material, parameters), "parameters", "parameters (number)", count_text, _SIZE),
        front_chart(
            offers(material, macs), "multiply-adds", "multiply-adds of one image (number)", count_text,
            f"Multiply-adds are those of convolutions and matrix products for an image of {size}.",
        ),
    ]  # fmt: skip
    return (*blocks, time_block(material, size))


def time_block(material: Material, size: str) -> Block:
    """The time of one image: the latency that the search judged by, else what was measured for the report."""
    if "latency" in material.spec.objectives:
        judged = {record.number: record.costs["latency"] for record in material.ranked if "latency" in record.costs}
        if not judged:
            return Words(text="No trial with a value has told its latency.")
        return _time_chart(
            material, judged,
            f"The latency that the search judged by: the median of forward passes of one image of {size}, on the "
            "device where the trial trained and beside the others; trials of one network share it.",
        )  # fmt: skip
    latencies = material.measured.latencies
    if not latencies:
        return Words(text="The time of an image is measured when a report is written while no search runs.")
    threads = plural(next(iter(latencies.values())).threads, "thread")
    return _time_chart(
        material, {number: 1000 * entry.seconds for number, entry in latencies.items()},
        f"The median of a few forward passes of one image of {size}, in float32 with {threads}, on the machine that "
        f"wrote this page, for {plural(len(latencies), 'trial')}: the best ones when a report was written.",
    )  # fmt: skip


def _time_chart(material: Material, milliseconds: dict[int, float], words: str) -> Chart:
    return front_chart(offers(material, milliseconds), "time", "time of one image (milliseconds)", _milliseconds, words)


NEARLY = 0.02
"""A network that loses so little mIoU is named where it is cheaper."""

_SIZE = "Parameters decide how large the file of weights is: four bytes each."


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A trial, what it costs, its mIoU, and what its network is; `best` where no other costs less and is as good."""

    number: int
    cost: float
    value: float
    words: str
    best: bool


def offers(material: Material, costs: dict[int, float]) -> list[Offer]:
    """The trials with a known cost, the cheapest first."""
    trials = [record for record in material.ranked if record.number in costs]
    pairs = [(costs[record.number], record.best_value or 0.0) for record in trials]
    chosen = front(pairs)
    found = [
        Offer(number=record.number, cost=cost, value=value, words=record.config.model.words, best=at in chosen)
        for at, (record, (cost, value)) in enumerate(zip(trials, pairs, strict=True))
    ]
    return sorted(found, key=lambda offer: (offer.cost, -offer.value, offer.number))


def front(pairs: Sequence[tuple[float, float]]) -> set[int]:
    """The indices of (cost, value) that no other one beats: as cheap and better, or cheaper and as good.

    Of equal ones the first.
    """
    chosen: set[int] = set()
    best = float("-inf")
    for index in sorted(range(len(pairs)), key=lambda at: (pairs[at][0], -pairs[at][1], at)):
        if pairs[index][1] > best:
            chosen.add(index)
            best = pairs[index][1]
    return chosen


def front_chart(found: Sequence[Offer], what: str, title: str, cost_text: Callable[[float], str], words: str) -> Chart:
    """mIoU against one cost, with the front of the trials that nothing beats."""
    figure = new_figure(
        height=360,
        x=axis(title, log=True, labels=log_ticks([offer.cost for offer in found])),
        y=axis(MIOU),
        legend=True,
    )
    best = [offer for offer in found if offer.best]
    rest = [offer for offer in found if not offer.best]

    def hover(offers: Sequence[Offer]) -> list[str]:
        return [
            f"trial {offer.number}, mIoU {offer.value:.4f}<br>{cost_text(offer.cost)}<br>{plain(offer.words, 60)}"
            for offer in offers
        ]

    if rest:
        figure.add_scatter(
            x=[offer.cost for offer in rest],
            y=[offer.value for offer in rest],
            mode="markers",
            name="beaten by a cheaper one",
            marker={"color": GREY, "size": 7},
            hovertext=hover(rest),
            hoverinfo="text",
        )
    figure.add_scatter(
        x=[offer.cost for offer in best],
        y=[offer.value for offer in best],
        mode="lines+markers",
        name="best for its cost",
        marker={"color": BLUE, "size": 10, "symbol": "diamond"},
        line={"color": BLUE, "shape": "hv", "width": 1.5},
        hovertext=hover(best),
        hoverinfo="text",
    )
    top = best[-1]
    nearly = next(offer for offer in best if offer.value >= top.value - NEARLY)
    if nearly is top:
        said = f"the best network needs {cost_text(top.cost)}, and no cheaper one comes within {NEARLY} of it"
    else:
        said = f"the best network needs {cost_text(top.cost)}; {cost_text(nearly.cost)} come within {NEARLY} of it"
    return Chart(
        title=f"mIoU against {what}: {said}",
        figure=figure,
        words=f"{words} Further left is cheaper, further up is better; on the blue line nothing is both.",
    )
