"""The notes that the dashboard shows beside a trial and beside the study, in Markdown."""

from collections.abc import Sequence

from search.tuning.board.facts import NetworkCost, class_values, last_line
from search.tuning.board.markdown import bullets, escaped, paragraphs, table, verbatim
from search.tuning.objectives import costs_of, objectives_text
from search.tuning.overview import kind_of
from search.tuning.record import TrialRecord, best_of
from search.tuning.spec import StudySpec
from search.words import count_text

LONGEST_REASON = 4000
"""Characters of an error that a note shows: its end, which says what happened."""


def trial_note(
    record: TrialRecord,
    spec: StudySpec,
    cost: NetworkCost | None,
    images: Sequence[tuple[str, str]] = (),
    *,
    running: bool,
) -> str:
    """A trial in words: its value, its pictures (title and address each), how it ended, what it is, what it cost.

    `running` says whether a search is at work, see `search.tuning.overview.kind_of`.
    """
    return paragraphs(
        [
            f"**{headline(record)}**",
            *(f"![{escaped(title)}]({address})" for title, address in images),
            ending(record, spec, running=running),
            *configuration(record),
            *classes(record, spec),
            *costs(record, spec, cost),
        ]
    )


def headline(record: TrialRecord) -> str:
    """The best value, and when it was reached."""
    if record.best_value is None:
        return "No epoch was finished"
    return f"Best validation mIoU {record.best_value:.4f} at epoch {record.best_epoch} of {record.epochs}"


def ending(record: TrialRecord, spec: StudySpec, *, running: bool) -> str:
    """How the trial ended and why. Long reasons stand in a block of their own."""
    match record.state, kind_of(record, running=running):
        case _, "running":
            return f"It is training: {record.epochs} of {spec.max_epochs} epochs are done."
        case _, "to be continued":
            return f"It waits: the next run of the search continues it after epoch {record.epochs}."
        case "COMPLETE", _ if record.reason == "early_stopped":
            return f"It ended early, after {spec.patience} epochs without a better value."
        case "COMPLETE", _:
            return f"It trained all of its {spec.max_epochs} epochs."
        case _, "pruned":
            return f"It was pruned at epoch {record.epochs}: {_too_poor(spec)} of all values there."
        case _, "refused":
            return f"It was refused before training: {escaped(record.reason)}. The sampler learns to stay away."
        case _:
            return paragraphs([f"It failed: {escaped(last_line(record.reason))}", _rest(record.reason)])


def _too_poor(spec: StudySpec) -> str:
    share = f"the best 1/{spec.reduction_factor}"
    if costs_of(spec.objectives):
        return f"by fronts of {objectives_text(spec.objectives)}, it was not in {share}"
    return f"its best value was not in {share}"


def _rest(reason: str) -> str:
    """An error's whole text where it is more than the line that stands above it."""
    lines = reason.strip().splitlines()
    return verbatim(reason.strip()[-LONGEST_REASON:]) if len(lines) > 1 else ""


def configuration(record: TrialRecord) -> list[str]:
    """What was trained, part by part."""
    if record.config_data is None:
        return []
    config = record.config
    optimizer, augment = config.optimizer, config.augment
    loss = ", ".join(f"{weight:.2f} {name.replace('_', ' ')}" for name, weight in config.loss.weights.items())
    average = "" if optimizer.ema_decay is None else f", weights averaged with {optimizer.ema_decay:g}"
    light = ", light and noise varied" if augment.photometric else ""
    mixing = "" if augment.mixing == "none" else f", {augment.mixing}"
    pasting = "" if augment.copy_paste == 0 else f", rare objects pasted into {augment.copy_paste:.0%} of the images"
    start = "random" if record.pretrained is None else f"{record.pretrained:.0%} of the parameters were pretrained"
    lines = {
        "network": config.model.words,
        "starts from": start,
        "loss": loss,
        "optimizer": f"{optimizer.algorithm}, learning rate {optimizer.learning_rate:.2g}, {optimizer.schedule} "
        f"schedule, weight decay {optimizer.weight_decay:.2g}, batches of {optimizer.batch_size}{average}",
        "augmentation": f"{augment.geometric}, strength {augment.strength:.2g}{light}{mixing}{pasting}",
    }
    origin = f"named point {record.point}" if record.point else record.sampled_by
    heading = f"### Configuration\n\nProposed by: {escaped(origin)}"
    return [heading, bullets([f"{name}: {escaped(text)}" for name, text in lines.items()])]


def classes(record: TrialRecord, spec: StudySpec) -> list[str]:
    """The IoU of each class at the best epoch, the worst first."""
    values = sorted(class_values(record, spec), key=lambda entry: entry[1])
    if not values:
        return []
    rows = [(name, f"{value:.4f}") for name, value in values]
    return [f"### Classes at epoch {record.best_epoch}", table(("class", "IoU"), rows)]


def costs(record: TrialRecord, spec: StudySpec, cost: NetworkCost | None) -> list[str]:
    """What the network and its training cost."""
    lines = []
    if cost is not None:
        size = f"{spec.facts.height} x {spec.facts.width} pixels"
        lines.append(f"{count_text(cost.parameters)} parameters, {count_text(cost.macs)} multiply-adds at {size}")
    if record.curve:
        each = record.seconds / len(record.curve)
        lines.append(f"{record.epochs} epochs in {record.seconds:.0f} s, {each:.1f} s each")
    if record.retries:
        lines.append(f"started again after {record.retries} crash{'es' if record.retries > 1 else ''}")
    return ["### Cost", bullets(lines)] if lines else []


def study_note(name: str, spec: StudySpec, records: Sequence[TrialRecord]) -> str:
    """The study in words: what is searched on which data, when trials stop, and how to read these pages."""
    facts = spec.facts
    named = ", ".join(escaped(facts.class_names[index]) for index in facts.objective)
    ignored = ", ".join(escaped(facts.class_names[index]) for index in facts.ignored)
    rungs = ", ".join(str(rung) for rung in spec.rungs)
    limits = _limits(spec)
    best = f"the best 1/{spec.reduction_factor}"
    if several := bool(costs_of(spec.objectives)):
        best += f", by fronts of {objectives_text(spec.objectives)}"
    what = [
        f"space: {escaped(spec.space)}",
        *([f"objectives: {objectives_text(spec.objectives)}; costs are those of one image"] if several else []),
        f"data: {escaped(spec.data_name)}, {facts.train_images} training and {facts.validation_images} validation "
        f"images, networks train at {facts.height} x {facts.width} pixels",
        f"value: mean IoU over {named}, of all validation pixels together"
        + (f"; pixels of {ignored} are left out" if ignored else ""),
        "split: by groups, with a locked test part that no trial sees and no number here comes from",
        f"a trial: {spec.max_epochs} epochs, pruned at epochs {rungs} unless among {best}"
        if rungs
        else f"a trial: {spec.max_epochs} epochs, never pruned",
        *([f"networks: {limits}"] if limits else []),
    ]
    return paragraphs([f"## {escaped(name)}", best_line(records), bullets(what), "### How to read this", HOW_TO_READ])


def best_line(records: Sequence[TrialRecord]) -> str:
    """The best trial so far."""
    best = best_of(list(records))
    if best is None:
        return "No trial has finished an epoch yet."
    return f"**Best so far: trial {best.number}, validation mIoU {best.best_value:.4f}** at epoch {best.best_epoch}."


def _limits(spec: StudySpec) -> str:
    limits = []
    if spec.max_params is not None:
        limits.append(f"{count_text(spec.max_params)} parameters")
    if spec.macs_limit is not None:
        limits.append(f"{count_text(spec.macs_limit)} multiply-adds an image")
    return f"at most {' and '.join(limits)}" if limits else ""


HOW_TO_READ = bullets(
    [
        "The best value is the highest of many on one validation part, so too high by chance: the test part decides.",
        "*Complete*: trained to its end, or stopped early. *Pruned*: stopped at a rung; also refused or out of "
        "memory, then marked infeasible. *Fail*: crashed twice. *Waiting*: the next run continues it.",
        "A trial's page has its note, its learning curve, and what its network predicts where weights were kept.",
        "Pictures and costs of ended trials are made in the background: load the page again to see them.",
        "These pages follow the search. They change nothing in it, and notes that you write yourself are kept.",
    ]
)
