"""Which parameters mattered: the importances as bars."""

from collections.abc import Sequence

from search.reporting.blocks import Block, Chart, Words
from search.reporting.charts import BLUE, INK, add_row_names, axis, new_figure, plain, row_axis
from search.reporting.material import Material
from search.tuning.importance import FEWEST_TRIALS, FORESTS, Importance
from search.tuning.parameters import Parameter
from search.words import plural

MOST_PARAMETERS = 8
NAME_LENGTH = 44
"""Of parameters, so that a name fits a phone."""


def important(material: Material) -> list[Parameter]:
    """The parameters that figures show: at most `MOST_PARAMETERS`, the most important first."""
    shown = [entry.name for entry in material.importances if entry.mean > 0][:MOST_PARAMETERS]
    return [material.parameters[name] for name in shown if name in material.parameters]


def importance_blocks(material: Material) -> tuple[Block, ...]:
    """The figure, or the sentence that says why there is none."""
    if material.importances:
        return (importance_chart(material.importances, len(material.ranked)),)
    count = len(material.ranked)
    if count >= FEWEST_TRIALS:
        return (Words(text="All trials reached the same value, or had the same parameters: nothing can be said."),)
    return (
        Words(
            text=f"Importances need at least {FEWEST_TRIALS} trials with a value; this study has {count}. Slices and "
            "contours of the important parameters follow from them."
        ),
    )


def importance_chart(importances: Sequence[Importance], trials: int) -> Chart:
    """The largest importances with their spread, a bar each; names stand above the bars."""
    shown = importances[:MOST_PARAMETERS]
    rows = list(range(len(shown)))
    top = max(entry.mean + entry.spread for entry in shown)
    figure = new_figure(
        height=56 * len(shown) + 64,
        x=axis("share of the differences (per cent)", span=(0, max(1.0, 106 * top))),
        y=row_axis(len(shown)),
    )
    figure.add_bar(
        x=[100 * entry.mean for entry in shown],
        y=rows,
        orientation="h",
        width=0.36,
        marker_color=BLUE,
        error_x={"type": "data", "array": [100 * entry.spread for entry in shown], "color": INK, "thickness": 1.2},
        hovertext=[_words(entry, trials) for entry in shown],
        hoverinfo="text",
    )
    add_row_names(figure, [plain(entry.name, NAME_LENGTH) for entry in shown])
    first, rest = shown[0], importances[MOST_PARAMETERS:]
    more = f" {plural(len(rest), 'other parameter')} had less each." if rest else ""
    if any(entry.name.endswith(".u") for entry in shown):
        more += " A parameter loss.TERM.u decides the weight of that term: the nearer to 0, the larger."
    return Chart(
        title=f"{first.name} alone accounts for {first.mean:.0%} of the differences between {trials} trials",
        figure=figure,
        words=f"Computed by functional ANOVA of random forests; whiskers are the standard deviation over {FORESTS} "
        "forests from different seeds. Bars whose whiskers overlap are not told apart. The shares do not sum to 100: "
        "the rest is interplay of parameters, and noise. Trials without a parameter stand at the median of those that "
        "have it (or its most frequent option), so one that few trials have gets little." + more,
    )


def _words(entry: Importance, trials: int) -> str:
    share = f"{100 * entry.mean:.1f} per cent, standard deviation {100 * entry.spread:.1f}"
    return f"{plain(entry.name)}<br>{share}<br>in {entry.trials} of {trials} trials"
