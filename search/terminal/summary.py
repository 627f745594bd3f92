"""What stands on the screen before a search and after it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from search.data.audit import Audit
from search.data.prepare import PreparedData
from search.hashes import short_hash
from search.terminal.commands import audit_command, next_commands, space_command
from search.terminal.lines import print_commands, print_line, print_whole
from search.terminal.tables import print_table
from search.terminal.trade_off import objective_words, print_front
from search.tuning.estimates import MEAN_SHARE
from search.tuning.folder import BEST_NAME
from search.tuning.options import RunOptions
from search.tuning.overview import count_kinds, counts_text
from search.tuning.plan import Plan, data_name
from search.tuning.record import TrialRecord, ranked
from search.tuning.resources import Resources
from search.tuning.session import Result
from search.tuning.spec import Measured, StudySpec
from search.tuning.trial_folder import PICTURES_NAME
from search.tuning.weights_origin import leak_warning
from search.words import count_text, duration_text, plural, value_text

SHOWN_TRIALS = 10
SHOWN_CLASSES = 8
BEST_HEADERS = ("trial", "mIoU", "best at", "state", "configuration")
CHECKPOINT_BYTES_PER_PARAMETER = 16
"""Weights, two moments of the optimizer and the averaged weights, four bytes each."""


def print_data(console: Console, options: RunOptions, prepared: PreparedData) -> None:
    """What the audit found, how the data is split, how frequent its classes are, and every warning."""
    audit, split, facts = prepared.audit, prepared.split, prepared.facts
    parts = Counter(split.parts)
    print_line(
        console,
        f"{data_name(options)}: {plural(audit.images, 'image')}, {plural(len(audit.outliers), 'outlier')} removed, "
        f"{plural(len(audit.duplicates), 'group')} of near-duplicates, {plural(len(audit.empty), 'empty mask')}",
        label="data",
    )
    print_line(
        console,
        f"{parts['train']} train, {parts['validation']} validation, {parts['test']} locked test, by "
        f"{split.recipe.words}; {facts.classes} classes, trained at {facts.height}x{facts.width}",
    )
    print_line(console, class_words(audit))
    if facts.unlabelled_images:
        use = "for pseudo-labels" if len(prepared.trial.unlabelled) else "not used: the space has no pseudo-labels"
        print_line(console, f"{plural(facts.unlabelled_images, 'image')} without labels, {use}")
    if options.what.data is not None:
        print_whole(console, f"{audit_command(options.what.data)} has the details")
    for warning in prepared.warnings:
        print_line(console, f"warning: {warning}", style="yellow")


def print_leak(console: Console, options: RunOptions, prepared: PreparedData) -> None:
    """A warning where networks start from weights that have seen images of the validation part."""
    if prepared.pretrained.startswith("sha256:") and (text := leak_warning(Path(options.what.pretrained), prepared)):
        print_line(console, f"warning: {text}", style="yellow")


def class_words(audit: Audit) -> str:
    """How frequent each class is, in pixels and in images; of many classes the rarest."""
    pixels = sum(entry.pixels for entry in audit.classes) + audit.void_pixels
    rarest = sorted(audit.classes, key=lambda entry: entry.pixels)[:SHOWN_CLASSES]
    words = [
        f"{entry.name} {entry.pixels / pixels:.1%} in {plural(entry.images, 'image')}"
        for entry in audit.classes
        if entry in rarest
    ]
    return ", ".join(words) + (", and more frequent ones" if len(words) < len(audit.classes) else "")


def print_missing(console: Console, missing: Mapping[str, str]) -> None:
    """Which encoders of the space will be refused, since timm has no weights of them."""
    for reason in missing.values():
        print_line(console, f"warning: {reason}: networks on it are refused", style="yellow")


def print_plan(console: Console, planned: Plan) -> None:
    """The space, what was measured, and what follows from it."""
    spec, measured, resources = planned.spec, planned.spec.measured, planned.resources
    where = device_words(resources, measured)
    rungs = ", ".join(str(rung) for rung in spec.rungs)
    pruned = f"pruned at epochs {rungs}" if rungs else "never pruned"
    limit = f"at most {count_text(spec.macs_limit)}" if spec.macs_limit is not None else "any number of"
    params = f" and {count_text(spec.max_params)} parameters" if spec.max_params is not None else ""
    points = plural(len(planned.space.points), "named point")
    print_whole(console, f"{spec.space}, {points} ({space_command(planned.options)} prints it)", label="space")
    if spec.pretrained != "none":
        print_line(console, f"networks start from {start_words(planned.options, spec)}")
    print_line(
        console,
        f"{resources.concurrency} at once ({where}), {plural(spec.max_epochs, 'epoch')} each, {pruned}; "
        f"{limit} multiply-adds an image{params}",
        label="trials",
    )
    if len(spec.objectives) > 1:
        print_line(console, f"searched for the trade-off of {objective_words(spec.objectives)}")
    print_line(
        console,
        f"default point: {count_text(measured.default_parameters)} parameters, {count_text(measured.default_macs)} "
        f"multiply-adds, {measured.seconds_per_epoch:.1f} s an epoch in {measured.precision}, "
        f"{measured.layout}",
    )
    budget, full = planned.options.time_budget, measured.seconds_per_epoch * spec.max_epochs
    if budget is not None and full > budget:
        text = f"a full trial of the default point takes about {duration_text(full)}, longer than this run"
        print_line(console, f"warning: {text}", style="yellow")
    every = planned.options.execution.pictures
    if every is not None and every > spec.max_epochs:
        text = (
            f"no pictures will be drawn: a trial has {plural(spec.max_epochs, 'epoch')}, fewer than --pictures {every}"
        )
        print_line(console, f"warning: {text}", style="yellow")
    if measured.expected_trials is not None:
        print_line(console, f"about {plural(measured.expected_trials, 'trial')} expected")
    if planned.continued:
        print_line(console, f"continues the study in {planned.folder}")


def device_words(resources: Resources, measured: Measured) -> str:
    """Where trials run, how many on each GPU, and what was measured to be gained by that."""
    if not resources.gpus_per_trial:
        return f"CPU, {plural(resources.threads, 'thread')} each"
    each, rest = divmod(resources.concurrency, resources.gpus)
    if each < 2 or rest:
        return f"{resources.gpus} GPU"
    words = f"{each} on {'one GPU' if resources.gpus == 1 else f'each of {resources.gpus} GPUs'}"
    packing = measured.packing
    if packing is None or packing.trials_per_gpu != each:
        return words
    return f"{words}, {packing.gain:.1f} times one at a time"


def start_words(options: RunOptions, spec: StudySpec) -> str:
    """Which weights networks start from."""
    if spec.pretrained == "imagenet":
        return "timm's weights where they have an encoder of timm, else at random"
    return f"{options.what.pretrained}, as far as it fits ({short_hash(spec.pretrained)})"


def print_estimates(console: Console, planned: Plan) -> None:
    """What `--dry-run` adds: the time a trial takes, and the disk that the study needs."""
    measured, spec = planned.spec.measured, planned.spec
    full = measured.seconds_per_epoch * spec.max_epochs
    keep = planned.options.execution.keep * (2 if len(spec.objectives) > 1 else 1)  # the best, and of the front
    kept = keep * 4 + planned.resources.concurrency * CHECKPOINT_BYTES_PER_PARAMETER
    megabytes = kept * measured.default_parameters / 1e6
    print_line(
        console,
        f"a full trial of the default point takes {duration_text(full)}, an average one under pruning about "
        f"{duration_text(full * MEAN_SHARE)}",
    )
    print_line(console, f"about {megabytes:.0f} MB in {planned.folder} for networks of the default size", label="disk")
    console.print("nothing was started: leave --dry-run out to search", soft_wrap=True)


def print_result(console: Console, planned: Plan, result: Result) -> None:
    """The best trials, where the best configuration is, and what to type next."""
    console.print()
    if result.best is None:
        console.print("no trial has finished an epoch yet", soft_wrap=True)
    else:
        print_table(console, BEST_HEADERS, best_rows(result.records))
        console.print()
        if len(planned.spec.objectives) > 1:
            print_front(console, planned.folder, result.records, planned.spec.objectives)
            console.print()
    counts = counts_text(count_kinds(result.records, running=False))
    print_line(console, f"{counts} in {duration_text(result.seconds)}", label="trials")
    if refused := [record for record in result.records if record.refused]:
        print_line(console, f"trial {refused[-1].number} was refused: {refused[-1].reason}")
    if planned.options.execution.pictures is not None:
        print_whole(console, str(planned.folder / "trials" / "*" / PICTURES_NAME), label="drawn")
    if result.best is not None:
        print_whole(console, str(planned.folder / BEST_NAME), label="best")
    print_commands(console, next_commands(planned, result))


def best_rows(records: Sequence[TrialRecord], count: int = SHOWN_TRIALS) -> list[tuple[str, ...]]:
    """The cells below `BEST_HEADERS` of the best trials, best first."""
    return [
        (
            str(record.number),
            value_text(record.best_value),
            f"{record.best_epoch}/{record.epochs}",
            "to be continued" if record.state == "WAITING" else record.state.lower(),
            configuration_words(record),
        )
        for record in ranked(list(records))[:count]
    ]


def configuration_words(record: TrialRecord) -> str:
    """Where a trial comes from, its network, optimizer, loss and augmentation, in a line or two."""
    config = record.config
    model, optimizer = config.model, config.optimizer
    loss = " ".join(f"{name}:{weight:.2f}" for name, weight in config.loss.weights.items())
    rate = f"{optimizer.algorithm} {optimizer.learning_rate:.1e}"
    start = "" if record.pretrained is None else f"; {record.pretrained:.0%} pretrained"
    return f"{record.point or record.sampled_by}: {model.words}; {rate}; {loss}; {config.augment.geometric}{start}"
