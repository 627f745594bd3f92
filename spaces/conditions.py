"""The parameters of a space one by one, each with the condition under which it exists: for readers that are programs.

The tree of `spaces.domains` says the same by nesting; `resolve` there is what a search does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spaces.domains import Branch, Choice, Domain, Float, Int, Maybe, Node, Scalar, Simplex, join, label
from spaces.space import Params


@dataclass(frozen=True)
class Is:
    """A parameter exists and has this value."""

    parameter: str
    value: Scalar

    def holds(self, params: Params) -> bool:
        """Whether it does in `params`."""
        return self.parameter in params and params[self.parameter] == self.value

    def to_json(self) -> dict[str, Any]:
        """`{"parameter": ..., "is": ...}`."""
        return {"parameter": self.parameter, "is": self.value}


@dataclass(frozen=True)
class All:
    """Every one of the conditions holds; of none, always."""

    conditions: "tuple[Condition, ...]" = ()

    def holds(self, params: Params) -> bool:
        """Whether all hold in `params`."""
        return all(condition.holds(params) for condition in self.conditions)

    def to_json(self) -> dict[str, Any]:
        """`{"all": [...]}`."""
        return {"all": [condition.to_json() for condition in self.conditions]}

    def and_(self, *more: "Condition") -> "All":
        """These conditions and some more."""
        return All((*self.conditions, *more))


@dataclass(frozen=True)
class AnyOf:
    """At least one of the conditions holds."""

    conditions: "tuple[Condition, ...]"

    def holds(self, params: Params) -> bool:
        """Whether one holds in `params`."""
        return any(condition.holds(params) for condition in self.conditions)

    def to_json(self) -> dict[str, Any]:
        """`{"any": [...]}`."""
        return {"any": [condition.to_json() for condition in self.conditions]}


Condition = Is | All | AnyOf


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One parameter: its flat name, its domain, and when it exists."""

    name: str
    domain: Domain
    when: All

    def to_json(self) -> dict[str, Any]:
        """Name, kind, bounds or options, default, condition (null: always)."""
        when = self.when.to_json()["all"]
        return {"name": self.name, **domain_json(self.domain), "when": when or None}


def dimensions(node: Node, path: str = "", when: All | None = None) -> Iterator[Dimension]:
    """Every parameter below `node`, in the order in which a search asks for them."""
    when = when or All()
    match node:
        case Choice() | Int() | Float():
            yield Dimension(name=path, domain=node, when=when)
        case Maybe():
            yield Dimension(name=path, domain=node.gate, when=when)
            yield from dimensions(node.node, f"{path}.on", when.and_(Is(path, True)))
        case Branch():
            yield from _branch_dimensions(node, path, when)
        case Simplex():
            yield from _simplex_dimensions(node, path, when)
        case Mapping():
            for name, child in node.items():
                yield from dimensions(child, join(path, name), when)


def _branch_dimensions(branch: Branch, path: str, when: All) -> Iterator[Dimension]:
    yield Dimension(name=path, domain=branch.choice, when=when)
    for option, children in branch.options.items():
        yield from dimensions(children, f"{path}.{option}", when.and_(Is(path, option)))
    for name, child in branch.common.items():
        holders = tuple(Is(path, option) for option in branch.options if name in branch.common_of(option))
        shared = when if len(holders) == len(branch.options) else when.and_(AnyOf(holders))
        yield from dimensions(child, join(path, name), shared)


def _simplex_dimensions(simplex: Simplex, path: str, when: All) -> Iterator[Dimension]:
    """The gates, then each term's share u and its own parameters.

    The last term has a gate only where another term is on, and is on without one elsewhere. A term alone has no u.
    """
    *gated, last = simplex.terms
    on = {name: Is(f"{path}.{name}", True) for name in simplex.terms}
    some_gated = AnyOf(tuple(on[name] for name in gated))
    none_gated = All(tuple(Is(f"{path}.{name}", False) for name in gated))
    for name in gated:
        yield Dimension(name=f"{path}.{name}", domain=simplex.gate(name), when=when)
    yield Dimension(name=f"{path}.{last}", domain=simplex.gate(last), when=when.and_(some_gated))
    for name in simplex.terms:
        others = AnyOf(tuple(on[other] for other in simplex.terms if other != name))
        yield Dimension(name=f"{path}.{name}.u", domain=simplex.share(name), when=when.and_(on[name], others))
    for name, children in simplex.terms.items():
        active = on[name] if name != last else AnyOf((on[name], none_gated))
        yield from dimensions(children, f"{path}.{name}", when.and_(active))
    yield from dimensions(simplex.common, path, when)


def domain_json(domain: Domain) -> dict[str, Any]:
    """A domain as plain values."""
    match domain:
        case Choice():
            return {"kind": "choice", "options": list(domain.labels), "default": label(domain.default)}
        case Int():
            bounds = {"low": domain.low, "high": domain.high, "step": domain.step}
            return {"kind": "int", **bounds, "log": domain.log, "default": domain.default}
        case Float():
            bounds = {"low": domain.low, "high": domain.high}
            return {"kind": "float", **bounds, "log": domain.log, "default": domain.default}
