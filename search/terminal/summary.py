"""What stands on the screen before a search and after it."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from search.terminal.text import count_text, duration_text, value_text
from search.tuning.folder import BEST_NAME
from search.tuning.plan import Plan
from search.tuning.probe import MEAN_SHARE
from search.tuning.record import TrialRecord, ranked
from search.tuning.session import Result

SHOWN_TRIALS = 10
CHECKPOINT_BYTES_PER_PARAMETER = 16
"""Weights, two moments of the optimizer and the averaged weights, four bytes each."""


def print_data(console: Console, planned: Plan) -> None:
    """The data in three lines, and every warning."""
    audit, split, facts = planned.prepared.audit, planned.prepared.split, planned.prepared.facts
    parts = {part: split.parts.count(part) for part in ("train", "validation", "test")}
    console.print(
        f"[bold]data[/]    {planned.spec.data_name}: {audit.images} images, {len(audit.outliers)} outliers removed, "
        f"{len(audit.duplicates)} groups of near-duplicates"
    )
    console.print(
        f"        {parts['train']} train, {parts['validation']} validation, {parts['test']} locked test, by "
        f"{split.recipe.rule}; {facts.classes} classes, trained at {facts.height}x{facts.width}"
    )
    for warning in planned.prepared.warnings:
        console.print(f"        [yellow]warning:[/] {warning}")


def print_plan(console: Console, planned: Plan) -> None:
    """The space, what was measured, and what follows from it."""
    spec, measured, resources = planned.spec, planned.spec.measured, planned.resources
    device = f"{resources.gpus} GPU" if resources.gpus else f"CPU, {resources.threads} threads each"
    rungs = ", ".join(str(rung) for rung in spec.rungs) or "none"
    limit = f"at most {count_text(spec.macs_limit)}" if spec.macs_limit is not None else "any number of"
    params = f" and {count_text(spec.max_params)} parameters" if spec.max_params is not None else ""
    points = len(planned.space.points)
    console.print(
        f"[bold]space[/]   {spec.space}, {points} named points (python -m search.spaces {spec.space} prints it)"
    )
    console.print(
        f"[bold]trials[/]  {resources.concurrency} at once ({device}), {spec.max_epochs} epochs each, pruned at epochs "
        f"{rungs}; {limit} multiply-adds an image{params}"
    )
    console.print(
        f"        default point: {count_text(measured.default_parameters)} parameters, "
        f"{count_text(measured.default_macs)} multiply-adds, {measured.seconds_per_epoch:.1f} s an epoch in "
        f"{measured.precision}"
    )
    if measured.expected_trials is not None:
        console.print(f"        about {measured.expected_trials} trials are expected")
    if planned.continued:
        console.print(f"        continues the study in {planned.folder}")


def print_estimates(console: Console, planned: Plan) -> None:
    """What `--dry-run` adds: the time a trial takes, and the disk that the study needs."""
    measured, spec = planned.spec.measured, planned.spec
    full = measured.seconds_per_epoch * spec.max_epochs
    kept = planned.options.execution.keep * 4 + planned.resources.concurrency * CHECKPOINT_BYTES_PER_PARAMETER
    megabytes = kept * measured.default_parameters / 1e6
    console.print(
        f"        a full trial of the default point takes {duration_text(full)}, an average one under pruning about "
        f"{duration_text(full * MEAN_SHARE)}"
    )
    console.print(f"[bold]disk[/]    about {megabytes:.0f} MB in {planned.folder} for networks of the default size")
    console.print("nothing was started: leave --dry-run out to search")


def print_result(console: Console, planned: Plan, result: Result) -> None:
    """The best trials, where the best configuration is, and what to type next."""
    if result.best is None:
        console.print("no trial has finished an epoch yet")
    else:
        console.print(best_table(result.records))
    console.print(f"\n{_counts(result.records)} in {duration_text(result.seconds)}")
    if result.best is not None:
        console.print(f"best configuration: {planned.folder / BEST_NAME}", soft_wrap=True)
    console.print("\n[bold]next[/]", end="")
    for command, purpose in next_commands(planned, result):
        console.print(f"  {command}", highlight=False, soft_wrap=True, end="")
        console.print(f"  [dim]# {purpose}[/]", highlight=False, soft_wrap=True)
        console.print("    ", end="")
    console.print()


def best_table(records: list[TrialRecord], count: int = SHOWN_TRIALS) -> Table:
    """The best trials as a table, best first."""
    table = Table(title=f"best trials of {len(records)}", title_justify="left", box=None, padding=(0, 1))
    for column in ("trial", "mIoU", "epoch"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("configuration")
    for record in ranked(records)[:count]:
        table.add_row(
            str(record.number),
            value_text(record.best_value),
            f"{record.best_epoch}/{record.epochs}",
            record.state.lower(),
            configuration_words(record),
        )
    return table


def configuration_words(record: TrialRecord) -> str:
    """Where a trial comes from, its network, optimizer, loss and augmentation, in a line or two."""
    config = record.config
    model, optimizer = config.model, config.optimizer
    network = [f"{model.width}x{model.depth}", model.norm.kind]
    network += [part.kind for part in (model.bottleneck, model.gate) if part is not None]
    loss = " ".join(f"{name}:{weight:.2f}" for name, weight in config.loss.weights.items())
    rate = f"{optimizer.algorithm} {optimizer.learning_rate:.1e}"
    return f"{record.point or record.sampled_by}: {' '.join(network)}; {rate}; {loss}; {config.augment.geometric}"


def next_commands(planned: Plan, result: Result) -> list[tuple[str, str]]:
    """Commands that make sense now, and what they do."""
    study = str(planned.folder)
    commands = []
    if not result.finished:
        commands.append((run_command_text(planned), "continue this search"))
    commands.append((f"uv run python -m search.dashboard {study}", "look at every trial"))
    if result.best is not None:
        commands.append((f"uv run python -m search.export {study} --to best-of-{planned.folder.name}", "take the best"))
        data = f" --data {planned.options.what.data}" if planned.options.what.data is not None else ""
        commands.append((f"uv run python -m search.train {Path(study) / BEST_NAME}{data}", "train it again"))
    return commands


def run_command_text(planned: Plan) -> str:
    """The command that continues this study."""
    what, budget = planned.options.what, planned.options.budget
    words = ["uv run python -m search.run", "--space", what.space]
    words += ["--data", str(what.data)] if what.data is not None else []
    words += ["--study", what.study] if what.study is not None else []
    words += ["--results", str(what.results)] if what.results != Path("results") else []
    words += ["--seed", str(what.seed)] if what.seed else []
    words += ["--input-size", what.input_size] if what.input_size != "auto" else []
    words += ["--storage", what.storage] if what.storage is not None else []
    words += ["--reduction-factor", str(budget.reduction_factor)] if budget.reduction_factor != 3 else []
    words += ["--no-warm-start"] if budget.no_warm_start else []
    words += ["--trials", str(budget.trials)] if budget.trials is not None else []
    words += ["--time-budget", budget.time_budget] if budget.time_budget is not None else []
    return " ".join(words)


def _counts(records: list[TrialRecord]) -> str:
    states = ("COMPLETE", "PRUNED", "FAIL", "WAITING")
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "WAITING": "to be continued"}
    counts = [(words[state], sum(record.state == state for record in records)) for state in states]
    refused = sum(not record.feasible for record in records)
    text = ", ".join(f"{count} {word}" for word, count in counts if count)
    return f"{len(records)} trials ({text or 'none ended'}{f'; {refused} of them refused' if refused else ''})"
