"""The answer: what the chosen predictor reaches on the locked test part, with intervals, against the baselines."""

from collections.abc import Sequence
from statistics import fmean

import plotly.graph_objects as go

from search.reporting.blocks import Block, Caution, Chart, Fact, Facts, Table, Words
from search.reporting.charts import BLUE, GREY, INK, add_row_names, axis, new_figure, plain, row_axis
from search.reporting.classes import NAME_LENGTH, confusion_chart, shares
from search.reporting.material import Material
from search.selection.answer import FEWEST_GROUPS, Answer, Difference, Interval, LockedTest, Opening, SystemScore
from search.words import listed, plural, value_text


def answer_blocks(material: Material) -> tuple[Block, ...]:
    """Everything that an answer says; nothing where there is none, and what is wrong with one that cannot be read."""
    answer = material.answer
    if answer is None:
        problem = material.answer_problem
        return (Caution(text=f"There is an answer, and nothing of it can be shown: {problem}."),) if problem else ()
    blocks: list[Block] = [Facts(facts=tuple(answer_facts(answer))), *_openings(answer.openings)]
    blocks += [Caution(text=f"A training failed: {failure}.") for failure in answer.failed]
    if answer.test is None:
        blocks.append(Words(text="The data has no locked test part: what was chosen is known on validation alone."))
    else:
        blocks += test_blocks(answer, answer.test, material)
    rows = tuple((entry.name, entry.words, value_text(entry.miou)) for entry in answer.candidates)
    if rows:
        blocks.append(
            Table(
                title=f"What was tried on the validation part; {answer.chosen} was chosen",
                headers=("candidate", "what it is", "validation mIoU"),
                rows=rows,
                numbers=(2,),
                words="The choice was made on validation alone, before the locked test part was opened.",
            )
        )
    return tuple(blocks)


def answer_facts(answer: Answer) -> list[Fact]:
    """The values of an answer, the most important first."""
    facts = []
    if answer.test is not None:
        score = answer.test.systems[0]
        over = f"on {plural(answer.test.images, 'image')} in {plural(answer.test.groups, 'group')} that the search "
        facts.append(
            Fact(name="mIoU on the locked test part", value=interval_text(score.miou), words=over + "never saw")
        )
    facts.append(
        Fact(
            name="mIoU on validation", value=value_text(answer.validation), words=f"of what was chosen: {answer.chosen}"
        )
    )
    if (best := answer.search_best) is not None:
        facts.append(
            Fact(
                name="optimism of the search",
                value=f"{best.optimism:+.4f}",
                words=f"its best, trial {best.trial}, had {best.value:.4f}, and {fmean(best.retrained):.4f} in "
                f"{plural(len(best.retrained), 'training')} from new seeds",
            )
        )
    unknown = answer.seed_noise is None
    facts.append(
        Fact(
            name="seed noise",
            value="unknown" if unknown else f"{answer.seed_noise:.4f}",
            words="needs more than one seed"
            if unknown
            else f"the standard deviation of the mIoU between seeds: {answer.seed_noise_words}",
        )
    )
    return facts


def interval_text(interval: Interval) -> str:
    """A value with its interval, if it has one: `0.6012 (0.5800 to 0.6200)`."""
    if interval.low is None or interval.high is None:
        return value_text(interval.value)
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def _openings(openings: Sequence[Opening]) -> list[Block]:
    """When the locked test part was opened; a caution where that was more than once."""
    if len(openings) < 2:
        return [Words(text=f"The locked test part was opened once, {opening.time}.") for opening in openings]
    times = "; ".join(
        f"{opening.time}, for {plural(opening.systems, 'system')}"
        + (f" (reopened: {opening.reopened})" if opening.reopened is not None else "")
        for opening in openings
    )
    return [
        Caution(
            text=f"The locked test part was opened {len(openings)} times: {times}. Every look after the first may have "
            "steered what was looked at next, so its numbers are too high by an unknown amount."
        )
    ]


def test_blocks(answer: Answer, test: LockedTest, material: Material) -> list[Block]:
    """What was measured on the locked test part."""
    blocks: list[Block] = [systems_chart(test.systems)]
    if test.differences:
        blocks.append(differences_chart(test))
    blocks += [classes_chart(test.systems[0]), _systems_table(test.systems)]
    matrix = shares(test.confusion, material.spec.facts)
    if matrix.rows:
        title = "Which classes the exported predictor takes for which, on the locked test part"
        blocks.append(confusion_chart(matrix, answer.class_names, title))
    return blocks


def systems_chart(systems: Sequence[SystemScore]) -> Chart:
    """The mIoU of each system with its interval."""
    figure = _intervals(
        [(system.name, system.miou, _seed_words(system)) for system in systems],
        "mIoU on the locked test part (0 to 1)",
    )
    first, *others = systems
    beside = f" and {plural(len(others), 'other system')}" if others else ""
    return Chart(
        title=f"{first.name}, the answer,{beside} on the locked test part",
        figure=figure,
        words="Whiskers are intervals that hold the true value in 95 of 100 such tests; they come from drawing whole "
        "groups of images anew (bootstrap). Overlapping whiskers do not yet say that two systems are equal: they were "
        "measured on the same images, and the paired differences tell more.",
    )


def differences_chart(test: LockedTest) -> Chart:
    """The paired difference of the answer to each baseline."""
    figure = _intervals(
        [(f"against {entry.against}", entry.difference, "") for entry in test.differences],
        "difference in mIoU (above 0: better)",
    )
    figure.add_vline(x=0, line={"color": INK, "width": 1, "dash": "dot"})
    return Chart(
        title=differences_title(test.differences),
        figure=figure,
        words="Each difference is computed on the same images, group by group. Where the whisker leaves out 0, the "
        "difference is more than chance of which images were tested.",
    )


def differences_title(differences: Sequence[Difference]) -> str:
    """Which baselines the answer is better than, and which are better than it."""
    told_apart = [entry for entry in differences if entry.tells_apart]
    better = [entry.against for entry in told_apart if entry.difference.value > 0]
    worse = [entry.against for entry in told_apart if entry.difference.value < 0]
    said = [f"{word} than {listed(names)}" for word, names in (("better", better), ("worse", worse)) if names]
    if not said:
        return "No difference to a baseline is beyond chance"
    return f"The answer is {listed(said)}, beyond chance"


def classes_chart(score: SystemScore) -> Chart:
    """The IoU of each class with its interval, and the number of groups behind it."""
    scored = [(entry.name, entry.iou, f"{plural(entry.groups, 'group')}") for entry in score.classes if entry.iou]
    figure = _intervals(
        [(f"{name} ({groups})", iou, groups) for name, iou, groups in scored], "IoU of the class (0 to 1)"
    )
    absent = [entry.name for entry in score.classes if entry.iou is None]
    left_out = (
        f" Not measured, since the test part does not hold them or the objective leaves them out: {', '.join(absent)}."
    )
    worst = min(scored, key=lambda entry: entry[1].value)[0] if scored else None
    return Chart(
        title="IoU of each class on the locked test part" + (f": {worst} is the hardest" if worst is not None else ""),
        figure=figure,
        words=f"In brackets the number of groups whose truth holds the class; under {FEWEST_GROUPS} there is no "
        "interval, since so few say little about others." + (left_out if absent else ""),
    )


def _systems_table(systems: Sequence[SystemScore]) -> Table:
    """The systems in numbers, with the other readings of the metric."""
    readings = tuple(dict.fromkeys(name for system in systems for name in system.readings))
    return Table(
        title="All systems in numbers",
        headers=("system", "what it is", "test mIoU (interval)", "validation mIoU", *readings),
        rows=tuple(
            (
                system.name, system.words, interval_text(system.miou), value_text(system.validation),
                *(value_text(system.readings.get(name)) for name in readings),
            )
            for system in systems
        ),
        numbers=tuple(range(2, 4 + len(readings))),
        words="The first one is exported." + (" The last columns read the metric otherwise." if readings else ""),
    )  # fmt: skip


def _seed_words(system: SystemScore) -> str:
    values = ", ".join(f"{seed:.4f}" for seed in system.seeds)
    return f"{plain(system.words)}<br>by seed: {values}" if values else plain(system.words)


def _intervals(rows: Sequence[tuple[str, Interval, str]], title: str) -> go.Figure:
    """A row a name, a mark at its value and a whisker where it has an interval; names stand above the whiskers."""
    figure = new_figure(height=56 * len(rows) + 70, x=axis(title), y=row_axis(len(rows)))
    for place, (name, interval, words) in enumerate(rows):
        if interval.low is not None and interval.high is not None:
            figure.add_scatter(
                x=[interval.low, interval.high], y=[place, place], mode="lines+markers",
                line={"color": GREY, "width": 2}, marker={"symbol": "line-ns-open", "size": 10, "color": GREY},
                hoverinfo="skip",
            )  # fmt: skip
        text = f"{plain(name)}<br>{interval_text(interval)}" + (f"<br>{words}" if words else "")
        figure.add_scatter(
            x=[interval.value], y=[place], mode="markers", marker={"color": BLUE, "size": 10}, hovertext=text,
            hoverinfo="text",
        )  # fmt: skip
    add_row_names(figure, [plain(name, 2 * NAME_LENGTH) for name, _, _ in rows])
    return figure
