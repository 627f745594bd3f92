"""Parameters in figures, as numbers: positions, slices, surfaces."""

import math

import pytest

from search.reporting.charts import ends, option_text, plain, ticks
from search.reporting.contours import NEAR, surface
from search.reporting.coordinates import coordinates, short_labels
from search.reporting.history import points
from search.reporting.slices import slice_of, slice_title
from search.tuning.parameters import Parameter
from tests.reporting.studies import record

RATE = Parameter(name="rate", low=1e-4, high=1e-2, log=True)
SHARE = Parameter(name="share", low=0.0, high=1.0)
WIDTH = Parameter(name="width", options=(8, 16, 32))
DEPTH = Parameter(name="depth", low=3, high=5, whole=True)

TRIALS = [
    record(0, {1: 0.2}, params={"rate": 1e-4, "width": 8}),
    record(1, {1: 0.6}, params={"rate": 1e-3, "width": 16}),
    record(2, {1: 0.4}, params={"width": 16}),
    record(3, {1: 0.5}, params={"rate": 1e-2, "width": 8}),
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a  b\nc", "a b c"),
        ("<b>x</b> & y", "&lt;b&gt;x&lt;/b&gt; &amp; y"),
        ("&amp;", "&amp;amp;"),
        (3, "3"),
    ],
)
def test_text_for_plotly_is_shown_as_it_is(text: object, shown: str) -> None:
    assert plain(text) == shown


def test_long_text_is_cut_before_it_is_escaped() -> None:
    assert plain("<" * 10, 4) == "&lt;&lt;&lt;…"
    assert plain("abcd", 4) == "abcd"


def test_values_in_words() -> None:
    assert [option_text(value) for value in (True, False, None, 0.00123, 8, "relu")] == [
        *("on", "off", "none", "0.00123", "8", "relu"),
    ]


def test_labels_of_an_axis() -> None:
    assert ticks(WIDTH) == {0.0: "8", 0.5: "16", 1.0: "32"}
    assert ticks(DEPTH) == {0.0: "3", 0.5: "4", 1.0: "5"}
    assert list(ticks(RATE).values()) == ["0.0001", "0.00032", "0.001", "0.0032", "0.01"]
    assert ticks(SHARE) == {0: "0", 0.25: "0.25", 0.5: "0.5", 0.75: "0.75", 1: "1"}
    decay = Parameter(name="decay", low=0.99, high=0.999)
    assert list(ticks(decay).values()) == ["0.99", "0.99225", "0.9945", "0.99675", "0.999"]
    assert ends(SHARE) == (-0.05, 1.05)
    assert ends(WIDTH) == (-0.25, 1.25)
    assert ends(Parameter(name="one", options=("x",))) == (-0.5, 0.5)


def test_labels_below_an_axis_find_room_on_a_phone() -> None:
    many = Parameter(
        name="bottleneck", options=("none", "aspp", "parallel_dilated", "window_attention", "global_atten")
    )
    labels = short_labels(many)
    assert list(labels) == [0, 0.25, 0.5, 0.75, 1]
    assert sum(map(len, labels.values())) <= 44
    assert short_labels(WIDTH) == ticks(WIDTH)
    crowd = Parameter(name="crowd", options=tuple(range(1000, 1020)))
    assert short_labels(crowd) == {0.0: "1000", 1.0: "1019"}


def test_coordinates_of_trials_that_lack_a_parameter() -> None:
    found = coordinates(TRIALS[:3], [RATE, WIDTH])
    assert [(line.number, line.value) for line in found] == [(0, 0.2), (1, 0.6), (2, 0.4)]
    assert [line.positions for line in found] == [(0.0, 0.0), (pytest.approx(0.5), 0.5), (None, 0.5)]
    assert found[2].words == "trial 2, mIoU 0.4000<br>width: 16"


def test_a_slice_holds_the_trials_that_have_the_parameter() -> None:
    by_number = {trial.number: trial for trial in TRIALS}
    found = points(TRIALS, running=False)
    rate, width = (slice_of(found, by_number, parameter) for parameter in (RATE, WIDTH))
    assert [point.number for point in rate.points] == [0, 1, 3]
    assert rate.positions == (0.0, pytest.approx(0.5), 1.0)
    assert rate.means == {}
    assert rate.best_range == (pytest.approx(0.5), 1.0)
    assert slice_title(rate) == "rate: the best quarter lies within 0.001 to 0.01"
    assert width.means == {0.0: pytest.approx(0.35), 0.5: pytest.approx(0.5)}
    assert slice_title(width) == "width: 16 has the highest mean"


def test_a_surface_is_the_mean_of_the_trials_nearby() -> None:
    """Two trials at the ends of a range: each alone near its end, both alike in the middle, where they weigh little."""
    pair = [
        record(0, {1: 0.2}, params={"share": 0.0, "width": 8}),
        record(1, {1: 0.4}, params={"share": 1.0, "width": 8}),
    ]
    found = surface(pair, SHARE, WIDTH)
    assert found.y == (0.0, 0.5, 1.0)
    assert found.values[0][0] == pytest.approx(0.2)
    assert found.values[0][-1] == pytest.approx(0.4)
    assert found.values[0][len(found.x) // 2] is None
    assert set(found.values[1]) == set(found.values[2]) == {None}
    near = [
        record(0, {1: 0.2}, params={"share": 0.5 - NEAR, "width": 8}),
        record(1, {1: 0.4}, params={"share": 0.5, "width": 8}),
    ]
    middle = surface(near, SHARE, WIDTH).values[0][12]
    weight = math.exp(-0.5)
    assert middle == pytest.approx((weight * 0.2 + 0.4) / (weight + 1))
