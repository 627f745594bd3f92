"""Spaces built by hand: mixtures, what is fixed by being left out, the tree and the fingerprint."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from spaces.domains import Branch, Choice, Float, Int, Maybe, Node, Simplex, resolve
from spaces.space import NamedPoint, SearchSpace
from spaces.unet_family import unet_family
from tests.spaces.sampling import draw, facts

MODEL = {"family": "unet", "in_channels": 1, "classes": 2}
LOSS = {"cross_entropy": {"weight": 1.0, "label_smoothing": 0.0}}


def space(**parts: Mapping[str, Node]) -> SearchSpace:
    return SearchSpace(name="own", root={"model": MODEL, "loss": LOSS, "optimizer": {}, "augment": {}, **parts})


def test_weights_of_a_mixture_are_uniform_on_the_simplex() -> None:
    """Dirichlet(1, ..., 1) of k terms: mean 1/k, variance (k - 1) / (k^2 (k + 1)), whatever other terms are off."""
    terms = ("dice", "lovasz", "focal", "cross_entropy")
    mixture = Simplex({term: {} for term in terms}, default={"dice": 1.0})
    generator = np.random.default_rng(5)
    weights: dict[int, list[list[float]]] = {}
    for _ in range(12_000):
        value = resolve(mixture, "loss", lambda _, domain: draw(domain, generator))
        active = [value[term]["weight"] for term in terms if value[term] is not None]
        assert sum(active) == pytest.approx(1)
        weights.setdefault(len(active), []).append(active)
    assert set(weights) == {1, 2, 3, 4}
    for count, found in weights.items():
        rows = np.array(found)
        variance = (count - 1) / (count**2 * (count + 1))
        allowed = 4 * np.sqrt(variance / len(rows))
        assert np.abs(rows.mean(0) - 1 / count).max() <= allowed, count
        assert rows.var(0) == pytest.approx(variance, rel=0.15)


def test_each_term_of_a_mixture_is_off_often() -> None:
    mixture = Simplex({"dice": {}, "cross_entropy": {}}, default={"dice": 1.0})
    generator = np.random.default_rng(0)
    drawn = [resolve(mixture, "loss", lambda _, domain: draw(domain, generator)) for _ in range(2000)]
    off = {name: np.mean([value[name] is None for value in drawn]) for name in ("dice", "cross_entropy")}
    assert off == {"dice": pytest.approx(0.5, abs=0.05), "cross_entropy": pytest.approx(0.25, abs=0.05)}


def test_a_default_that_is_no_configuration_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"^the default point of the space 'own' is no configuration: .*wdith"):
        space(model={**MODEL, "wdith": Choice((8, 16), default=16)})


def test_a_named_point_is_not_called_default() -> None:
    point = NamedPoint(config=space().default, note="mine")
    with pytest.raises(ValueError, match="cannot be called 'default'"):
        replace(space(), points={"default": point})


def test_what_a_space_leaves_out_is_not_silently_dropped() -> None:
    """A dimension that a space does not mention has the configuration's default, and cannot express another value."""
    own = space(model={**MODEL, "width": Choice((8, 16), default=16)})
    config = own.default
    dropping = config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.3})})
    with pytest.raises(ValueError, match=r"^model\.dropout is 0\.3; this space fixes it at 0\.0"):
        own.encode(dropping)
    with pytest.raises(
        ValueError, match=r"the named point 'dropping' is not in the space 'own': model\.dropout is 0\.3"
    ):
        replace(own, points={"dropping": NamedPoint(config=dropping, note="")})


def test_a_space_that_builds_no_configuration_says_which_value() -> None:
    with pytest.raises(ValueError, match=r"model\.unet\.width: .*greater than or equal to 1 \(got -8\)"):
        space(model={**MODEL, "width": Int(-8, 16, default=-8)})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Float(1.0, 0.0, default=0.5), "low must be below high, got 1.0..0.0"),
        (lambda: Float(0.0, 1.0, default=0.5, log=True), "a log scale needs low > 0, got 0.0"),
        (lambda: Int(1, 8, default=9), "the default 9 is outside 1..8"),
        (lambda: Int(1, 8, default=1, step=2), "step 2 does not divide the range 1..8"),
        (lambda: Int(1, 9, default=1, step=2, log=True), "an integer on a log scale has step 1, got 2"),
        (lambda: Choice(("a", "a"), default="a"), r"the options of a choice must differ, got \('a', 'a'\)"),
        (lambda: Choice(((1, 2), "1-2"), default="1-2"), "the options of a choice must differ"),
        (lambda: Choice(("a", "b"), default="c"), "the default 'c' is not among the options"),
        (lambda: Branch({"a": {}}, default="b"), "the default 'b' is not among the options"),
        (lambda: Simplex({"a": {}}, default={"b": 1.0}), "must sum to 1 over some of"),
        (lambda: Simplex({"a": {}}, default={"a": 0.9}), "must sum to 1 over some of"),
        (lambda: SearchSpace(name="own", root={"model": MODEL}), "has exactly the keys"),
    ],
)
def test_mistakes_in_a_space_are_refused_when_it_is_built(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_tree_shows_bounds_conditions_and_defaults() -> None:
    own = space(
        model={
            **MODEL,
            "width": Choice((8, 16), default=16),
            "norm": Branch({"batch": {}, "group": {"groups": Int(4, 8, default=4, step=4)}}, default="batch"),
            "deep_supervision": Maybe(Float(0.1, 0.6, default=0.4), default=False),
        },
        loss=Simplex(
            {"focal": {"gamma": Float(0.5, 4.0, default=2.0)}, "dice": {}}, default={"focal": 0.3, "dice": 0.7}
        ),
        optimizer=Branch({"sgd": {}}, default="sgd", key="algorithm", common={"warmup_epochs": Int(0, 5, default=1)}),
        augment={"strength": Float(0.01, 2.0, default=1.0, log=True)},
    )
    assert own.lines == (
        "model",
        "  family: always unet",
        "  in_channels: always 1",
        "  classes: always 2",
        "  width: one of 8, 16  [16]",
        "  norm: one of batch, group  [batch]",
        "    if group",
        "      groups: 4..8 step 4  [4]",
        "  deep_supervision: off or on  [off]",
        "    on: 0.1..0.6  [0.4]",
        "loss: a mixture of focal, dice, each off or on  [focal 0.3, dice 0.7]",
        "  if focal",
        "    gamma: 0.5..4  [2.0]",
        "optimizer: one of sgd  [sgd]",
        "  warmup_epochs: 0..5  [1]",
        "augment",
        "  strength: 0.01..2 (log)  [1.0]",
    )


def test_large_integers_are_printed_in_full() -> None:
    assert "  width: 1..1234567  [8]" in space(model={**MODEL, "width": Int(1, 1_234_567, default=8)}).lines


CHANGES: dict[str, Mapping[str, Node]] = {
    "a bound": {"width": Int(1, 1_000_001, default=8)},
    "the default": {"width": Int(1, 1_000_000, default=9)},
    "the scale": {"width": Int(1, 1_000_000, default=8, log=True)},
    "a constant": {"width": Int(1, 1_000_000, default=8), "depth": 3},
}


@pytest.mark.parametrize("model", CHANGES.values(), ids=list(CHANGES))
def test_the_fingerprint_changes_with(model: Mapping[str, Node]) -> None:
    before = space(model={**MODEL, "width": Int(1, 1_000_000, default=8)})
    assert space(model={**MODEL, **model}).fingerprint != before.fingerprint


def test_the_fingerprint_changes_with_a_bound_in_its_last_digit() -> None:
    def dropout(high: float) -> str:
        return space(model={**MODEL, "dropout": Float(0.0, high, default=0.0)}).fingerprint

    assert dropout(0.3) != dropout(0.30000000000000004)


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    code = (
        "from tests.spaces.sampling import draw, facts; from spaces.unet_family import unet_family;"
        "print(unet_family(facts()).fingerprint)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {unet_family(facts()).fingerprint}
