"""Every system of the two reports on Mars terrain, as named points.

The reports give next to no numbers. Where they are silent a point takes the Keras default of its part (Adam: rate 1e-3
and no decay, AdamW: decay 0.004, a constant rate, focal loss of gamma 2) and this project's width, batch size and
momentum. Class weights are f^-0.5 in all points, at most 30 times the smallest: assumed. What is assumed besides stands
in a point's note.
"""

from collections.abc import Mapping

from spaces.facts import DataFacts
from spaces.report_000 import report_000
from spaces.report_001 import report_001
from spaces.space import NamedPoint


def report_points(facts: DataFacts) -> Mapping[str, NamedPoint]:
    """Name -> system. The best published ones of each report come first: a search tries them in this order."""
    return report_001(facts) | report_000(facts)
