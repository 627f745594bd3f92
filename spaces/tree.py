"""A search space as an indented tree of text."""

from collections.abc import Iterator, Mapping

from spaces.domains import Branch, Choice, Float, Int, Maybe, Node, Simplex, domain_text, label


def tree_lines(node: Node, name: str = "", depth: int = 0) -> Iterator[str]:
    """One line a parameter; what only exists under an option stands indented below that option."""
    match node:
        case Choice() | Int() | Float():
            yield _line(depth, f"{name}: {domain_text(node)}", str(label(node.default)))
        case Maybe():
            yield _line(depth, f"{name}: off or on", "on" if node.default else "off")
            yield from tree_lines(node.node, "on", depth + 1)
        case Branch():
            yield from _branch_lines(node, name, depth)
        case Simplex():
            yield from _simplex_lines(node, name, depth)
        case Mapping():
            yield from _mapping_lines(node, name, depth)
        case _:
            yield _line(depth, f"{name}: always {node}", None)


def _mapping_lines(children: Mapping[str, Node], name: str, depth: int) -> Iterator[str]:
    if name:
        yield _line(depth, name, None)
    for child, node in children.items():
        yield from tree_lines(node, child, depth + bool(name))


def _branch_lines(branch: Branch, name: str, depth: int) -> Iterator[str]:
    yield _line(depth, f"{name}: {domain_text(branch.choice)}", branch.default)
    for option, children in branch.options.items():
        if children:
            yield from _mapping_lines(children, f"if {option}", depth + 1)
    yield from _mapping_lines(branch.common, "", depth + 1)


def _simplex_lines(simplex: Simplex, name: str, depth: int) -> Iterator[str]:
    weights = ", ".join(f"{term} {weight:g}" for term, weight in simplex.default.items())
    yield _line(depth, f"{name}: a mixture of {', '.join(simplex.terms)}, each off or on", weights)
    for term, children in simplex.terms.items():
        if children:
            yield from _mapping_lines(children, f"if {term}", depth + 1)
    yield from _mapping_lines(simplex.common, "", depth + 1)


def _line(depth: int, text: str, default: str | None) -> str:
    suffix = "" if default is None else f"  [{default}]"
    return "  " * depth + text + suffix
