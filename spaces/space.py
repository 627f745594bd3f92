"""A search space: a tree of domains whose points are trial configurations."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from spaces.config import BudgetConfig, TrialConfig
from spaces.domains import Branch, Domain, Maybe, Node, Scalar, Suggest, express, join, label, resolve
from spaces.schema import describe
from spaces.tree import tree_lines

Params = dict[str, Scalar]
"""Flat parameters by dotted name, as a study stores them: {"model.norm": "group", "model.norm.group.groups": 8}."""

PARTS = ("model", "loss", "optimizer", "augment")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a system was published: the report, the row of its table or the section that names it, and its scores.

    `platform` is the mean IoU on the course's hidden test set, `validation` and `train` those on the authors' parts.
    """

    report: str
    row: str
    platform: float | None = None
    validation: float | None = None
    train: float | None = None

    @property
    def words(self) -> str:
        """`report 000, Table 1, Base Model: platform 0.09, validation 0.06, train 0.3533`."""
        named = {"platform": self.platform, "validation": self.validation, "train": self.train}
        scores = ", ".join(f"{name} {score:g}" for name, score in named.items() if score is not None)
        return f"report {self.report}, {self.row}: {scores or 'no score published'}"


@dataclass(frozen=True, kw_only=True)
class NamedPoint:
    """A configuration known beforehand, what it is, and where it was published, if it was."""

    config: TrialConfig
    note: str
    source: Source | None = None

    @property
    def words(self) -> str:
        """Note and source."""
        return self.note if self.source is None else f"{self.note} ({self.source.words})"


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """What may be searched: `root` holds model, loss, optimizer and augment.

    Budget, seed and pretrained weights belong to the study.
    """

    name: str
    root: Mapping[str, Node]
    points: Mapping[str, NamedPoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.root) != set(PARTS):
            raise ValueError(f"the root of a search space has exactly the keys {PARTS}, got {tuple(self.root)}")
        try:
            _ = self.default
        except ValueError as error:
            raise ValueError(f"the default point of the space {self.name!r} is no configuration: {error}") from error
        if "default" in self.points:
            raise ValueError("a named point cannot be called 'default': that is the space's default point")
        for name, point in self.points.items():
            try:
                self.encode(point.config)
            except ValueError as error:
                raise ValueError(f"the named point {name!r} is not in the space {self.name!r}: {error}") from error

    def sample(self, suggest: Suggest) -> Params:
        """The parameters that `suggest(name, domain)` answers, each active one asked for once, in a fixed order."""
        params: Params = {}

        def remember(name: str, domain: Domain) -> Scalar:
            params[name] = suggest(name, domain)
            return params[name]

        resolve(self.root, "", remember)
        return params

    def decode(
        self, params: Params, *, budget: BudgetConfig | None = None, seed: int = 0, pretrained: str = "none"
    ) -> TrialConfig:
        """The configuration at `params`. Raises ValueError for a missing, unknown or out-of-range parameter."""
        used: set[str] = set()

        def look_up(name: str, domain: Domain) -> Scalar:
            if name not in params:
                raise ValueError(f"the parameter {name} is missing")
            if params[name] not in domain:
                raise ValueError(f"{name} = {params[name]!r} is not in its domain {domain}")
            used.add(name)
            return params[name]

        values = resolve(self.root, "", look_up)
        if unknown := sorted(set(params) - used):
            raise ValueError(f"unknown or inactive parameters: {', '.join(unknown)}")
        return _configuration(values, budget or BudgetConfig(), seed, pretrained)

    def encode(self, config: TrialConfig) -> Params:
        """The parameters of a configuration. Raises ValueError that names what this space cannot express."""
        values = config.model_dump()
        params = express(self.root, {part: values[part] for part in PARTS}, "")
        expressed = self.decode(params, budget=config.budget, seed=config.seed, pretrained=config.pretrained)
        for name, fixed, asked in _differences(expressed.model_dump(), values, ""):
            raise ValueError(f"{name} is {asked!r}; this space fixes it at {fixed!r}")
        return params

    def holds(self, config: TrialConfig) -> bool:
        """Whether this space can express a configuration."""
        try:
            self.encode(config)
        except ValueError:
            return False
        return True

    @property
    def default(self) -> TrialConfig:
        """The default point: every parameter at its default."""
        return _configuration(
            resolve(self.root, "", lambda _, domain: label(domain.default)), BudgetConfig(), 0, "none"
        )

    @property
    def has_pseudo_labels(self) -> bool:
        """Whether it has points that train on images without labels."""
        return _gives(self.root["augment"], "pseudo_labels")

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The space as an indented tree, one line a parameter: bounds, condition (by indent) and default."""
        return tuple(tree_lines(self.root))

    @property
    def fingerprint(self) -> str:
        """A hash of every bound, condition and default, and of the named points."""
        named = {name: point.config.model_dump(mode="json") for name, point in self.points.items()}
        return hashlib.sha256(json.dumps([self.name, repr(self.root), named]).encode()).hexdigest()[:16]


def _gives(node: Node, name: str) -> bool:
    """Whether a configuration below `node` may have a field `name` that is not None."""
    match node:
        case Mapping():
            return any((key == name and child is not None) or _gives(child, name) for key, child in node.items())
        case Maybe():
            return _gives(node.node, name)
        case Branch():
            return _gives(node.options, name) or _gives(node.common, name)
        case _:
            return False


def _differences(mine: Any, theirs: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Path and both values of each leaf in which two dumped configurations differ, but for rounding."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for name in mine:
            yield from _differences(mine[name], theirs.get(name), join(path, name))
    elif isinstance(mine, float) and isinstance(theirs, float):
        if not math.isclose(mine, theirs, rel_tol=1e-6):
            yield path, mine, theirs
    elif mine != theirs:
        yield path, mine, theirs


def _configuration(values: dict[str, Any], budget: BudgetConfig, seed: int, pretrained: str) -> TrialConfig:
    try:
        return TrialConfig.model_validate({**values, "budget": budget, "seed": seed, "pretrained": pretrained})
    except ValidationError as error:
        raise ValueError(describe(error)) from error
