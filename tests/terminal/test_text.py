import pytest

from search.words import count_text, duration_text, listed, plural, value_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45.4, "45 s"),
        (59.6, "1:00"),
        (61, "1:01"),
        (725, "12:05"),
        (3599.7, "1:00:00"),
        (11220, "3:07:00"),
        (360000, "100:00:00"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1 k"),
        (483_221, "483 k"),
        (999_499, "999 k"),
        (999_500, "1 M"),
        (999_999, "1 M"),
        (1_936_000, "1.94 M"),
        (2.9e9, "2.9 G"),
        (999_999_999, "1 G"),
        (1e12, "1 T"),
        (2.5e15, "2.5 P"),
    ],
)
def test_counts(count: float, text: str) -> None:
    assert count_text(count) == text


def test_values_and_plurals() -> None:
    assert (value_text(0.43851), value_text(None)) == ("0.4385", "-")
    assert [plural(count, "trial") for count in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


def test_lists() -> None:
    assert [listed("abc"[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
