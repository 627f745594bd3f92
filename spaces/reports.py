"""Every system of the two reports on Mars terrain, as named points.

The reports give neither widths nor learning rates. Where they are silent a point takes the Keras default of its part
(AdamW: rate 1e-3, decay 0.004) and this project's width; what is assumed besides stands in its note.
"""

from collections.abc import Mapping

from spaces.facts import DataFacts
from spaces.report_000 import report_000
from spaces.report_001 import report_001
from spaces.space import NamedPoint


def report_points(facts: DataFacts) -> Mapping[str, NamedPoint]:
    """Name -> system. The best published ones of each report come first: a search tries them in this order."""
    return report_001(facts) | report_000(facts)
