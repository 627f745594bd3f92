"""An answer in the terminal: what will be trained, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from search.data.prepare import PreparedData
from search.selection.answer import FEWEST_GROUPS, Answer, Difference, Interval, LockedTest
from search.selection.planning import PlannedAnswer
from search.selection.systems import System, seeds_of
from search.selection.trainings import SUCCESSES, Trainings
from search.terminal.display import shown
from search.terminal.lines import print_line
from search.terminal.progress import OUTCOME_COLUMNS, Progress
from search.terminal.tables import print_table
from search.words import duration_text, plural, value_text, values_text

SHOWN_BASELINES = 12

PLAN_HEADERS = ("trained again", "seeds", "each, about", "in the search", "network")
TRIED_HEADERS = ("tried", "", "validation mIoU")
TEST_HEADERS = ("on the test part", "mIoU", "95 % interval", "validation", "")
CLASS_HEADERS = ("class", "groups", "IoU", "95 % interval")


def print_answer_plan(console: Console, planned: PlannedAnswer) -> None:
    """Which configurations are trained, from how many seeds, and how long that takes."""
    plan = planned.plan
    rows = [
        (
            shown_name(system.name),
            *trained_words(planned, system),
            value_text(system.search_value),
            system.config.model.words,
        )
        for system in (*plan.candidates, *plan.baselines[:SHOWN_BASELINES])
    ]
    print_table(console, PLAN_HEADERS, rows)
    if (hidden := len(plan.baselines) - SHOWN_BASELINES) > 0:
        console.print(f"and {plural(hidden, 'baseline')} more", soft_wrap=True)
    trainings, left = planned.trainings, 0.0
    for result in trainings.results():
        budget = result.training.config.budget.max_epochs
        share = 0 if result.outcome is not None else 1 - len(result.reports) / budget
        left += share * planned.seconds[result.training.system]
    done = len(trainings.trainings) - trainings.unfinished
    before = f", {done} of them done before" if done else ""
    resources = planned.resources
    console.print()
    print_line(
        console,
        f"{plural(len(trainings.trainings), 'training')}{before}; {resources.concurrency} at once, at most about "
        f"{duration_text(left / resources.concurrency)} (a training may stop early)",
        label="plan",
    )


def shown_name(name: str) -> str:
    """`trial 7` of the system or file name `trial-7`."""
    return name.replace("-", " ")


def trained_words(planned: PlannedAnswer, system: System) -> tuple[str, str]:
    """How many seeds, and how long each takes; for the configuration of another system that it is trained as that."""
    same = planned.plan.trained_as(system)
    if same != system:
        return f"as {shown_name(same.name)}", "-"
    return str(seeds_of(system, planned.plan.asked.seeds)), duration_text(planned.seconds[system.name])


def print_locked(console: Console, prepared: PreparedData, planned: PlannedAnswer) -> None:
    """What the test part is, and that it is opened but once."""
    images = len(prepared.split.indices("test"))
    if not images:
        print_line(
            console, "the data has no locked test part: the answer will rest on validation alone", style="yellow"
        )
        return
    print_line(console, f"{plural(images, 'image')} are locked, and measured on once, at the end", label="test")
    if planned.openings:
        times = ", ".join(opening.time for opening in planned.openings)
        print_line(console, f"warning: it was opened before: {times}", style="yellow")


@contextmanager
def display_trainings(source: Trainings, deadline: float | None) -> Iterator[None]:
    """Show the trainings while the block runs."""
    progress = Progress(
        rungs=(),
        max_epochs=max(training.config.budget.max_epochs for training in source.trainings),
        trials=len(source.trainings),
        deadline=deadline,
        names=[training.words for training in source.trainings],
    )
    for number, result in enumerate(source.results()):
        if result.outcome is not None:
            progress.counts[OUTCOME_COLUMNS[result.outcome.kind]] += 1
            if result.outcome.kind in SUCCESSES:
                progress.values[number] = result.miou
    with shown(progress, source.events.listen(), Console(highlight=False)):
        yield


def print_answer(console: Console, answer: Answer) -> None:
    """What was tried, what was chosen, what it reaches on the test part."""
    console.print()
    print_table(
        console,
        TRIED_HEADERS,
        [(candidate.name, candidate.words, value_text(candidate.miou)) for candidate in answer.candidates],
    )
    console.print()
    print_line(console, search_words(answer), label="search")
    print_line(console, chosen_words(answer), label="chosen")
    for failure in answer.failed:
        print_line(console, f"warning: a training failed: {failure}", style="yellow")
    if answer.test is None:
        print_line(console, "there is no locked test part: no number here is free of choice", style="yellow")
    else:
        print_test(console, answer.test)
    if answer.refitted:
        print_refitted(console)
    for opening in answer.openings:
        if opening.reopened is not None:
            print_line(console, f"warning: the test part was opened again on {opening.time}", style="yellow")


def print_refitted(console: Console) -> None:
    """What the network trained on all labelled data is worth, and how to get it."""
    words = "trained once more on all labelled data; search.export --refitted takes it. Its number is the one above"
    print_line(console, words, label="refit")


def search_words(answer: Answer) -> str:
    """How optimistic the search was, and how much a seed matters."""
    best = answer.search_best
    words = "its best trial could not be trained again"
    if best is not None:
        words = (
            f"its best, trial {best.trial}, had {best.value:.4f}; from new seeds {values_text(best.retrained)}: the "
            f"search's number was {best.optimism:+.4f} above their mean"
        )
    if answer.seed_noise is None:
        return words
    return f"{words}; standard deviation between seeds {answer.seed_noise_words}"


def chosen_words(answer: Answer) -> str:
    """What was chosen, of which trial's configuration, and what that reached from new seeds."""
    return (
        f"{answer.chosen}, validation mIoU {answer.validation:.4f}; the best configuration is that of trial "
        f"{answer.trial}, from new seeds {values_text(answer.retrained)}"
    )


def print_test(console: Console, test: LockedTest) -> None:
    """All systems on the locked part, the classes of the first, and its differences to the others."""
    console.print()
    rows = [
        (
            shown_name(system.name),
            value_text(system.miou.value),
            interval_text(system.miou),
            value_text(system.validation),
            f"mean of {plural(len(system.seeds), 'seed')}: {system.words}" if system.seeds else system.words,
        )
        for system in test.systems
    ]
    print_table(console, TEST_HEADERS, rows)
    answer = test.systems[0]
    console.print()
    counted = [score for score in answer.classes if score.iou is not None]
    print_table(
        console,
        CLASS_HEADERS,
        [
            (score.name, str(score.groups), value_text(score.iou.value), interval_text(score.iou))
            for score in counted
            if score.iou
        ],
    )
    console.print()
    print_line(
        console,
        f"{answer.name}, mIoU {interval_words(answer.miou)}, on {plural(test.images, 'image')} in "
        f"{plural(test.groups, 'group')} by which nothing was chosen",
        label="answer",
    )
    for difference in test.differences:
        print_line(console, difference_words(difference))
    if answer.thin:
        names = ", ".join(answer.thin)
        print_line(
            console,
            f"warning: fewer than {FEWEST_GROUPS} groups hold {names}: a good part of the mIoU hangs on these few",
            style="yellow",
        )


def difference_words(difference: Difference) -> str:
    """How the answer compares with another system, and whether the test tells them apart."""
    value = difference.difference
    words = f"{value.value:+.4f} {interval_text(value)} against {shown_name(difference.against)}"
    return words if difference.tells_apart else f"{words}: this test does not tell them apart"


def interval_words(interval: Interval) -> str:
    """`0.6400 (95 % interval 0.6100 to 0.6800)`."""
    if interval.low is None or interval.high is None:
        return f"{interval.value:.4f} (too few groups for an interval)"
    return f"{interval.value:.4f} (95 % interval {interval.low:.4f} to {interval.high:.4f})"


def interval_text(interval: Interval) -> str:
    """`[0.61, 0.68]` with four digits, a dash where there is none."""
    if interval.low is None or interval.high is None:
        return "-"
    return f"[{interval.low:.4f}, {interval.high:.4f}]"
