"""Where trials ended: after how many epochs, and at which rung with which value."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from search.reporting.blocks import Chart
from search.reporting.charts import KIND_STYLES, axis, new_figure, spread_out
from search.reporting.material import Material
from search.tuning.objectives import costs_of, objectives_text
from search.tuning.overview import KINDS, kind_of
from search.tuning.record import TrialRecord
from search.tuning.spec import StudySpec
from search.words import plural


def ending_blocks(material: Material) -> tuple[Chart, ...]:
    """Both figures; none before the first trial, and no rungs where no trial came to one."""
    if not material.records:
        return ()
    found = at_rungs(material.records, material.spec)
    ended = stages_chart(stages(material.records, material.spec, running=material.running), material.spec)
    return (ended, at_rungs_chart(found, material.spec)) if found else (ended,)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Trials whose last epoch is in one range of epochs, by kind."""

    words: str
    kinds: Counter[str]


def stages(records: Sequence[TrialRecord], spec: StudySpec, *, running: bool) -> list[Stage]:
    """Where trials ended: before the first epoch, up to each rung (that epoch among them), up to the last epoch."""
    bounds = [0, *spec.rungs, spec.max_epochs]
    found = [Stage(words="none", kinds=_kinds([record for record in records if record.epochs == 0], running))]
    for low, high in pairwise(bounds):
        inside = [record for record in records if low < record.epochs <= high]
        words = f"{low + 1} to {high}" if high > low + 1 else str(high)
        found.append(Stage(words=words, kinds=_kinds(inside, running)))
    return found


def _kinds(records: Sequence[TrialRecord], running: bool) -> Counter[str]:
    return Counter(kind_of(record, running=running) for record in records)


def stages_chart(found: Sequence[Stage], spec: StudySpec) -> Chart:
    """How many trials ended where."""
    labels = {float(index): stage.words for index, stage in enumerate(found)}
    figure = new_figure(
        height=320, x=axis("epochs trained", labels=labels, lines=False), y=axis("trials (number)"), legend=True
    )
    for kind in KINDS:
        counts = [stage.kinds[kind] for stage in found]
        if any(counts):
            figure.add_bar(
                x=list(labels),
                y=counts,
                name=kind,
                marker_color=KIND_STYLES[kind][0],
                hovertext=[
                    f"{plural(stage.kinds[kind], 'trial')} {kind}<br>epochs trained: {stage.words}" for stage in found
                ],
                hoverinfo="text",
            )
    figure.update_layout(barmode="stack", bargap=0.35)
    total = sum(stage.kinds.total() for stage in found)
    whole = found[-1].kinds.total()
    rungs = ", ".join(str(rung) for rung in spec.rungs)
    fronts = f", by fronts of {objectives_text(spec.objectives)}" if costs_of(spec.objectives) else ""
    pruned = f"After epochs {rungs} (the rungs) only the best 1 in {spec.reduction_factor} goes on{fronts}"
    return Chart(
        title=f"{whole} of {plural(total, 'trial')} trained beyond the last rung" if rungs else "Where trials ended",
        figure=figure,
        words=f"{pruned if rungs else 'No trial is pruned'}; a full trial has {plural(spec.max_epochs, 'epoch')}. "
        "Refused trials were over a limit and never trained.",
    )


@dataclass(frozen=True, kw_only=True)
class AtRung:
    """The best value of a trial when it came to a rung, and whether it went on (None: not decided, or it failed)."""

    number: int
    rung: int
    value: float
    went_on: bool | None


def at_rungs(records: Sequence[TrialRecord], spec: StudySpec) -> list[AtRung]:
    """Every trial at every rung that it came to by training, by rung and number."""
    found = []
    for rung in spec.rungs:
        for record in records:
            reached = [value for epoch, value in record.values.items() if epoch <= rung]
            if record.epochs >= rung:
                found.append(
                    AtRung(number=record.number, rung=rung, value=max(reached), went_on=_went_on(record, rung))
                )
    return found


def _went_on(record: TrialRecord, rung: int) -> bool | None:
    if record.epochs > rung or record.passed_rung >= rung or record.state == "COMPLETE":
        return True
    return False if record.ending == "pruned" else None


def at_rungs_chart(found: Sequence[AtRung], spec: StudySpec) -> Chart:
    """What trials had reached at each rung, and which went on."""
    rungs = sorted({entry.rung for entry in found})
    labels = {float(index): f"rung {index + 1}<br>epoch {rung}" for index, rung in enumerate(rungs)}
    x = axis("where trials are compared", labels=labels, span=(-0.5, len(rungs) - 0.5), lines=False)
    figure = new_figure(height=340, x=x, y=axis("best mIoU up to the rung (0 to 1)"), legend=True)
    for went_on, name, (color, symbol) in (
        (True, "went on", KIND_STYLES["complete"]),
        (False, "stopped", KIND_STYLES["pruned"]),
        (None, "not decided", KIND_STYLES["running"]),
    ):
        chosen = [entry for entry in found if entry.went_on is went_on]
        if chosen:
            figure.add_scatter(
                x=[rungs.index(entry.rung) + spread_out(entry.number, 0.5) for entry in chosen],
                y=[entry.value for entry in chosen],
                mode="markers",
                marker={"color": color, "symbol": symbol, "size": 8, "line": {"color": "white", "width": 0.5}},
                name=name,
                hovertext=[f"trial {entry.number}, {name}<br>mIoU {entry.value:.4f}" for entry in chosen],
                hoverinfo="text",
            )
    stopped = sum(entry.went_on is False for entry in found)
    return Chart(
        title=f"{plural(stopped, 'trial')} were stopped at a rung" if stopped != 1 else "1 trial was stopped at a rung",
        figure=figure,
        words="Each mark is a trial when it came to a rung; marks are spread sideways only to be told apart. "
        + _why_below(spec),
    )


def _why_below(spec: StudySpec) -> str:
    """Why trials that went on may be below trials that were stopped."""
    first = "Whoever came first went on whatever its value"
    if not costs_of(spec.objectives):
        return f"{first}, so some that went on are below some that were stopped."
    return (
        f"The mIoU alone does not decide: a rung judges by fronts of {objectives_text(spec.objectives)}, so a "
        f"cheap network can go on below a dearer one that was stopped. {first}."
    )
