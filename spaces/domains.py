"""The domains that a search space is made of, and the one walk over them.

A space is a tree of plain dictionaries with domains as leaves, in the shape of the configuration it describes:

    {"depth": Int(3, 5, default=4),
     "norm": Branch({"batch": {}, "group": {"groups": Choice((4, 8), default=8)}}, default="batch")}

`resolve` walks it and asks for one flat parameter after the other; which parameters exist depends on the answers.
Sampling, decoding and reading defaults are the same walk with another answer: see `spaces.space`. Anything that is not
a domain or a dictionary is a constant.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Float:
    """A real number in [low, high], searched on a logarithmic scale if `log`."""

    low: float
    high: float
    default: float = field(kw_only=True)
    log: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        _check_range(self)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Int:
    """An integer low, low + step, ..., high, searched on a logarithmic scale if `log` (then step is 1)."""

    low: int
    high: int
    default: int = field(kw_only=True)
    log: bool = field(default=False, kw_only=True)
    step: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if self.log and self.step != 1:
            raise ValueError(f"an integer on a log scale has step 1, got {self.step}")
        if (self.high - self.low) % self.step:
            raise ValueError(f"step {self.step} does not divide the range {self.low}..{self.high}")
        _check_range(self)

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        return (value - self.low) % self.step == 0


@dataclass(frozen=True)
class Choice:
    """One of several values without order. Tuples are allowed; their parameter is their text, `1-2-4`."""

    options: tuple[Any, ...]
    default: Any = field(kw_only=True)

    def __post_init__(self) -> None:
        if len({label(option) for option in self.options}) != len(self.options):
            raise ValueError(f"the options of a choice must differ, got {self.options}")
        if label(self.default) not in self.labels:
            raise ValueError(f"the default {self.default!r} is not among the options {self.options}")

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The flat parameter values, one an option."""
        return tuple(label(option) for option in self.options)

    def __contains__(self, value: object) -> bool:
        return any(type(value) is type(known) and value == known for known in self.labels)

    def option(self, value: Scalar) -> Any:
        """The option whose label is `value`."""
        return self.options[self.labels.index(value)]


Domain = Float | Int | Choice
Node = Any
"""A domain, a composite (`Maybe`, `Branch`, `Simplex`), a mapping of nodes, or a constant."""


@dataclass(frozen=True)
class Maybe:
    """A node that may be unused: an on/off parameter, and the node's own where it is on. Off decodes to None."""

    node: Node
    default: bool = field(kw_only=True)

    @property
    def gate(self) -> Choice:
        """The domain of the on/off parameter."""
        return Choice((False, True), default=self.default)


@dataclass(frozen=True)
class Branch:
    """Alternatives with dimensions of their own: decodes to `{key: option, **the option's nodes, **common}`.

    The option named "none" decodes to None where it has no nodes and there are no common ones. An option's own node
    stands in for the common one of the same name.
    """

    options: Mapping[str, Mapping[str, Node]]
    default: str = field(kw_only=True)
    key: str = field(default="kind", kw_only=True)
    common: Mapping[str, Node] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        if self.default not in self.options:
            raise ValueError(f"the default {self.default!r} is not among the options {tuple(self.options)}")

    @property
    def choice(self) -> Choice:
        """The domain of the parameter that selects the option."""
        return Choice(tuple(self.options), default=self.default)

    def common_of(self, option: str) -> dict[str, Node]:
        """The common nodes that exist under an option."""
        return {name: node for name, node in self.common.items() if name not in self.options[option]}

    @property
    def none_is_none(self) -> bool:
        """Whether the option "none" stands for the absence of the whole part."""
        return "none" in self.options and not self.options["none"] and not self.common


@dataclass(frozen=True)
class Simplex:
    """A mixture: each term is gated on or off, the weights of the terms that are on are uniform on the simplex.

    Decodes to `{term: {"weight": w, **the term's nodes} or None, **common}`. The last term is on without a gate where
    no other is. Weights are w_i = -log u_i / sum(-log u) with u_i uniform in (0, 1): w is Dirichlet(1, ..., 1); a
    term alone has weight 1 and no u. `default` gives the weights of the default point.
    """

    terms: Mapping[str, Mapping[str, Node]]
    default: Mapping[str, float] = field(kw_only=True)
    common: Mapping[str, Node] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        unknown = set(self.default) - set(self.terms)
        if unknown or not self.default or abs(sum(self.default.values()) - 1) > 1e-9:
            raise ValueError(f"the default weights {dict(self.default)} must sum to 1 over some of {tuple(self.terms)}")

    def gate(self, name: str) -> Choice:
        """The domain of a term's gate."""
        return Choice((False, True), default=name in self.default)

    def share(self, name: str) -> Float:
        """The domain of a term's u."""
        return Float(U_MARGIN, 1 - U_MARGIN, default=self.to_share(self.default.get(name, 1 / len(self.terms))))

    def to_share(self, weight: float) -> float:
        """The u of a weight, on the scale at which -log u has its expected sum, the number of terms."""
        return min(max(math.exp(-len(self.terms) * weight), U_MARGIN), 1 - U_MARGIN)


U_MARGIN = 1e-9
"""How far the u of a simplex stay from 0 and 1, where a weight would be infinite or zero."""


Suggest = Callable[[str, Domain], Scalar]


def label(option: Any) -> Scalar:
    """The flat parameter that stands for an option: itself, or the text of a tuple."""
    return "-".join(str(part) for part in option) if isinstance(option, tuple) else option


def resolve(node: Node, path: str, suggest: Suggest) -> Any:
    """The value of `node`, asking `suggest(name, domain)` for each parameter that the answers so far make active."""
    match node:
        case Choice():
            return node.option(suggest(path, node))
        case Float() | Int():
            return suggest(path, node)
        case Maybe():
            return resolve(node.node, f"{path}.on", suggest) if suggest(path, node.gate) else None
        case Branch():
            return _resolve_branch(node, path, suggest)
        case Simplex():
            return _resolve_simplex(node, path, suggest)
        case Mapping():
            return {name: resolve(child, join(path, name), suggest) for name, child in node.items()}
        case _:
            return node


def join(path: str, name: str) -> str:
    """The path of a child."""
    return f"{path}.{name}" if path else name


def _resolve_branch(branch: Branch, path: str, suggest: Suggest) -> dict[str, Any] | None:
    option = str(suggest(path, branch.choice))
    if option == "none" and branch.none_is_none:
        return None
    own = resolve(branch.options[option], f"{path}.{option}", suggest)
    return {branch.key: option, **own, **resolve(branch.common_of(option), path, suggest)}


def _resolve_simplex(simplex: Simplex, path: str, suggest: Suggest) -> dict[str, Any]:
    *gated, last = simplex.terms
    active = [name for name in gated if suggest(f"{path}.{name}", simplex.gate(name))]
    if not active or suggest(f"{path}.{last}", simplex.gate(last)):
        active.append(last)
    values: dict[str, Any] = dict.fromkeys(simplex.terms)
    weights = _simplex_weights(simplex, path, active, suggest)
    for name in active:
        values[name] = {"weight": weights[name], **resolve(simplex.terms[name], f"{path}.{name}", suggest)}
    return {**values, **resolve(simplex.common, path, suggest)}


def _simplex_weights(simplex: Simplex, path: str, active: list[str], suggest: Suggest) -> dict[str, float]:
    if len(active) == 1:
        return {active[0]: 1.0}
    shares = {}
    for name in active:
        share = suggest(f"{path}.{name}.u", simplex.share(name))
        assert isinstance(share, float)
        shares[name] = -math.log(share)
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def express(node: Node, value: Any, path: str) -> dict[str, Scalar]:
    """The flat parameters at which `resolve` gives `value`. Raises ValueError where the node cannot give it."""
    match node:
        case Choice():
            return _express_leaf(node, label(tuple(value) if isinstance(value, list) else value), path)
        case Float() | Int():
            return _express_leaf(node, value, path)
        case Maybe():
            on = value is not None
            return {path: on} | (express(node.node, value, f"{path}.on") if on else {})
        case Branch():
            return _express_branch(node, value, path)
        case Simplex():
            return _express_simplex(node, value, path)
        case Mapping():
            return _express_children(node, value, path)
        case _ if node != value:
            raise ValueError(f"{path} is {value!r}; this space fixes it at {node!r}")
        case _:
            return {}


def _express_leaf(domain: Domain, value: Scalar, path: str) -> dict[str, Scalar]:
    if value not in domain:
        raise ValueError(f"{path} = {value!r} is outside {domain_text(domain)}")
    return {path: float(value) if isinstance(domain, Float) and isinstance(value, int) else value}


def _express_children(children: Mapping[str, Node], values: Any, path: str) -> dict[str, Scalar]:
    params: dict[str, Scalar] = {}
    for name, child in children.items():
        params |= express(child, values[name], join(path, name))
    return params


def _express_branch(branch: Branch, value: Any, path: str) -> dict[str, Scalar]:
    if value is None:
        return _express_leaf(branch.choice, "none", path)
    option = value[branch.key]
    params = _express_leaf(branch.choice, option, path)
    params |= _express_children(branch.options[option], value, f"{path}.{option}")
    return params | _express_children(branch.common_of(option), value, path)


def _express_simplex(simplex: Simplex, value: Any, path: str) -> dict[str, Scalar]:
    active = [name for name in simplex.terms if value[name] is not None]
    *gated, last = simplex.terms
    params: dict[str, Scalar] = {f"{path}.{name}": name in active for name in gated}
    if active != [last]:
        params[f"{path}.{last}"] = last in active
    for name in active:
        if len(active) > 1:
            params[f"{path}.{name}.u"] = simplex.to_share(value[name]["weight"])
        params |= _express_children(simplex.terms[name], value[name], f"{path}.{name}")
    return params | _express_children(simplex.common, value, path)


def domain_text(domain: Domain) -> str:
    """A domain in words: `8..64 (log)`, `one of relu, mish`."""
    match domain:
        case Choice():
            return "one of " + ", ".join(str(option) for option in domain.labels)
        case Int() if domain.step != 1:
            return f"{domain.low}..{domain.high} step {domain.step}"
        case Int():
            return f"{domain.low}..{domain.high}" + (" (log)" if domain.log else "")
        case Float():
            return f"{domain.low:g}..{domain.high:g}" + (" (log)" if domain.log else "")


def _check_range(domain: Float | Int) -> None:
    if not domain.low < domain.high:
        raise ValueError(f"low must be below high, got {domain.low}..{domain.high}")
    if domain.log and domain.low <= 0:
        raise ValueError(f"a log scale needs low > 0, got {domain.low}")
    if domain.default not in domain:
        raise ValueError(f"the default {domain.default} is outside {domain.low}..{domain.high}")
