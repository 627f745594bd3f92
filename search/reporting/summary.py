"""What a reader who did not run the search needs first: what was searched, what came of it, what is best."""

from collections.abc import Sequence
from typing import Any

import yaml

from search.reporting.blocks import Block, Caution, Fact, Facts, Folded, Table, Words
from search.reporting.locked_test import interval_text
from search.reporting.material import Material
from search.tuning.objectives import costs_of, objectives_text
from search.tuning.overview import counts_text
from search.tuning.record import TrialRecord
from search.words import count_text, duration_words, plural, value_text

SHOWN_TRIALS = 10


def summary_blocks(material: Material) -> tuple[Block, ...]:
    """What, on what, how far, how good."""
    return (*_state(material), Words(text=purpose(material)), Facts(facts=tuple(facts(material))))


def _state(material: Material) -> list[Block]:
    if material.running:
        return [Caution(text="The search is running: this page shows one moment of it, and can be written anew.")]
    return []


def purpose(material: Material) -> str:
    """What was searched for, in a few sentences."""
    spec = material.spec
    known = spec.facts
    classes = ", ".join(known.class_names)
    left_out = [known.class_names[index] for index in known.ignored]
    ignored = f" ({', '.join(left_out)} left out of the objective)" if left_out else ""
    aim = f"the network, loss, optimizer and augmentation that segment the images of {spec.data_name} best"
    costs = ""
    if costs_of(spec.objectives):
        aim = f"the best trade-offs of {objectives_text(spec.objectives)} in segmenting the images of {spec.data_name}"
        costs = " Costs are those of one image. A trial that is called the best is the best by mIoU."
    return (
        f"A search for {aim}: {known.train_images} training and {known.validation_images} validation images, trained "
        f"at {known.height}x{known.width} pixels, {known.classes} classes: {classes}{ignored}. The space "
        f"{spec.space} says what was varied. A trial is one configuration in training; its value is the mIoU on the "
        "validation images, the intersection over union (0 to 1) averaged over classes." + costs
    )


def facts(material: Material) -> list[Fact]:
    """The values at the top of the page."""
    best = next(iter(material.ranked), None)
    found = []
    if best is None:
        found.append(Fact(name="best validation mIoU", value="none yet", words="no trial has finished an epoch"))
    else:
        words = f"trial {best.number}, epoch {best.best_epoch} of {material.spec.max_epochs}"
        found.append(Fact(name="best validation mIoU", value=value_text(best.best_value), words=words))
    found.append(_tested(material))
    total, _, kinds = counts_text(material.counts).partition(" ")
    found.append(Fact(name="trials", value=total, words=kinds.strip("()")))
    seconds = sum(record.seconds for record in material.records)
    runs = f"in {plural(len(material.runs), 'run')} of the search" if material.runs else ""
    found.append(Fact(name="training time, all trials in sum", value=duration_words(seconds), words=runs))
    return found


def _tested(material: Material) -> Fact:
    name, answer = "mIoU on the locked test part", material.answer
    if material.answer_problem:
        return Fact(name=name, value="unknown", words="the study's answer cannot be read")
    if answer is None:
        return Fact(name=name, value="not opened", words="the search's best is the highest of many, and so too high")
    if answer.test is None:
        return Fact(name=name, value="none", words="the data has no locked test part")
    return Fact(name=name, value=interval_text(answer.test.systems[0].miou), words=f"of {answer.test.systems[0].words}")


def best_blocks(material: Material) -> tuple[Block, ...]:
    """The best trials in a table, and the best one's whole configuration."""
    trials = material.ranked
    if not trials:
        return (Words(text="No trial has finished an epoch yet."),)
    return (
        trials_table(trials, material),
        Folded(title=f"The whole configuration of trial {trials[0].number}", text=_yaml(trials[0].config_data)),
        Folded(title="What the study is (spec.yaml)", text=_yaml(material.spec.model_dump(mode="json"))),
    )


def trials_table(trials: Sequence[TrialRecord], material: Material) -> Table:
    """The best trials, best first."""
    costs = material.measured.costs
    rows = []
    for record in trials[:SHOWN_TRIALS]:
        config, cost = record.config, costs.get(record.number)
        rows.append(
            (
                str(record.number),
                value_text(record.best_value),
                f"{record.best_epoch}/{record.epochs}",
                record.ending if record.state in ("COMPLETE", "PRUNED") else "unfinished",
                record.point or record.sampled_by,
                config.model.words,
                count_text(cost.parameters) if cost is not None else "",
                f"{config.optimizer.algorithm} {config.optimizer.learning_rate:.1e}",
                " ".join(f"{name} {weight:.2f}" for name, weight in config.loss.weights.items()),
                config.augment.geometric,
            )
        )
    headers = (
        *("trial", "mIoU", "best at", "ending", "from", "network", "parameters", "optimizer", "loss", "augmentation"),
    )
    return Table(
        title=f"The best {plural(len(rows), 'trial')}" if len(rows) > 1 else "The only trial with a value",
        headers=headers,
        rows=tuple(rows),
        numbers=(0, 1, 2, 6),
        words="Best at: the epoch of the best mIoU, of those trained. From: the named point, or who proposed the "
        "trial. Optimizer: with its learning rate. Loss: the terms of the mixture with their weights.",
    )


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
