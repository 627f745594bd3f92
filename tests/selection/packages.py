"""Exports of small networks with random weights, made without a search."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.build import build_model
from search.data.audit import Audit, ClassCount
from search.data.form import DataForm
from search.data.split import SplitRecipe
from search.selection.answer import (
    Answer,
    Candidate,
    ClassScore,
    Difference,
    Interval,
    LockedTest,
    Opening,
    SearchBest,
    SystemScore,
)
from search.selection.export import Export
from search.selection.predictor import Flip, Member, Predictor
from search.training.checkpoint import pack_weights
from search.tuning.best import BestConfig, DataIdentity
from search.tuning.reading import StoredStudy
from spaces.config import TrialConfig
from spaces.facts import DataFacts
from spaces.networks import ModelConfig, UNetConfig
from tests.tuning.made_up import SPACE, spec

CLASSES = ("back|ground", "soil *wet*", "<b>rock</b>", "sand", "big rock")
SIZE = (32, 48)
FORM = DataForm(channels=1, class_names=CLASSES, labels=(0, 1, 2, 3, 7), background=0, ignored=(0,))


def tiny(channels: int = 1) -> ModelConfig:
    """A network with few operations: what exporters need is time for each of them."""
    return UNetConfig(in_channels=channels, classes=len(CLASSES), depth=2, width=8)


def random_network(model: ModelConfig, seed: int = 0) -> nn.Module:
    """A network in evaluation mode whose prediction varies from pixel to pixel, by margins far above rounding."""
    torch.manual_seed(seed)
    network = build_model(model)
    with torch.no_grad():
        network.train()
        for _ in range(20):  # running statistics that are not the initial ones
            network(torch.rand(2, model.in_channels, *SIZE))
        network.eval()
        example = network(torch.rand(2, model.in_channels, *SIZE))
        last = [parameter for parameter in network.parameters() if parameter.ndim > 1][-1]
        last.mul_(3 / max(1e-3, float(example.std(dim=(0, 2, 3)).mean())))
    return network


def config_of(model: ModelConfig) -> TrialConfig:
    return SPACE.default.model_copy(update={"model": model})


def write_predictor(
    folder: Path, models: Sequence[ModelConfig], *, flips: Sequence[Flip] = ("none",), excluded: Sequence[int] = ()
) -> Predictor:
    """A predictor with its files of weights in `folder`; one network is best.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    members = []
    for number, model in enumerate(models):
        name = "best.safetensors" if len(models) == 1 else f"member-{number}.safetensors"
        (folder / name).write_bytes(pack_weights(random_network(model, seed=number)))
        members.append(Member(config=config_of(model), weights=name, origin=f"trial {number}", share=1.0 + number))
    return Predictor(members=tuple(members), flips=tuple(flips), excluded=tuple(excluded))


def export_of(folder: Path, predictor: Predictor, form: DataForm = FORM, **changes: Any) -> Export:
    """What `write_package` takes, for a predictor whose files are in `folder`."""
    identity = DataIdentity(
        name="my_tiles",
        fingerprint="d" * 64,
        removed=0,
        removed_hash="r" * 64,
        split=SplitRecipe(rule="groups", fractions=(0.6, 0.2, 0.2), seed=0),
        split_fingerprint="p" * 64,
        input_size=SIZE,
        form=form,
    )
    best = BestConfig(
        study="mars",
        trial=7,
        miou=0.7123,
        epoch=3,
        config=predictor.members[0].config,
        data=identity,
        versions={},
    )
    facts = DataFacts(
        channels=form.channels,
        class_names=form.class_names,
        background=form.background,
        ignored=form.ignored,
        objective=tuple(range(1, len(form.class_names))),
        height=SIZE[0],
        width=SIZE[1],
        train_images=60,
        validation_images=20,
        class_pixels=(1,) * len(form.class_names),
        class_images=(1,) * len(form.class_names),
    )
    values = {
        "study": StoredStudy(folder=folder, spec=spec(facts=facts, data_name="my_tiles"), records=[]),
        "best": best,
        "predictor": predictor,
        "weights": {folder / member.weights: member.weights for member in predictor.members},
        "audit": audit(form),
    }
    return Export(**(values | changes))


def audit(form: DataForm) -> Audit:
    counts = [
        ClassCount(name=name, label=label, pixels=1000 * (index + 1), images=10, ignored=index in form.ignored)
        for index, (name, label) in enumerate(zip(form.class_names, form.labels, strict=True))
    ]
    return Audit(
        fingerprint="d" * 64,
        images=105,
        smallest=SIZE,
        largest=SIZE,
        channels=form.channels,
        groups=30,
        outliers=tuple(f"{index:05d}" for index in range(5)),
        removed_hash="r" * 64,
        duplicates=(("00001", "00002"),),
        empty=(),
        classes=tuple(counts),
        void_pixels=0,
        warnings=("declared but in no mask: <i>moon</i>",),
    )


def answer(**changes: Any) -> Answer:
    """An answer with a locked test."""
    scores = tuple(
        ClassScore(
            name=name,
            groups=groups,
            iou=None if groups == 0 else Interval(value=0.5, low=0.4 if groups > 4 else None, high=0.6),
        )
        for name, groups in zip(CLASSES, (0, 9, 8, 7, 3), strict=True)
    )
    system = SystemScore(
        name="ensemble",
        words="3 networks",
        miou=Interval(value=0.6123, low=0.5512, high=0.663),
        classes=scores,
        readings={},
        validation=0.7,
    )
    test = LockedTest(
        images=20,
        groups=9,
        systems=(system,),
        differences=(Difference(against="default_point", difference=Interval(value=0.02, low=-0.01, high=0.05)),),
        confusion=((1,),),
    )
    values = {
        "study": "mars",
        "trial": 7,
        "retrained": (0.69, 0.7),
        "search_best": SearchBest(trial=4, value=0.7123, retrained=(0.69, 0.7)),
        "seed_noise": 0.0123,
        "candidates": (Candidate(name="ensemble", words="3 networks", miou=0.7),),
        "chosen": "ensemble",
        "validation": 0.7,
        "openings": (Opening(time="2026-11-22T01:00:00+00:00", systems=2),),
        "test": test,
        "class_names": CLASSES,
    }
    return Answer.model_validate(values | changes)


def scene(height: int, width: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """An image (H, W, C) uint8 with structure at several scales."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 200, (-(-height // 8), -(-width // 8), channels))
    blotches = coarse.repeat(8, 0).repeat(8, 1)[:height, :width]
    return (blotches + generator.integers(0, 56, blotches.shape)).astype(np.uint8)
