"""Times, counts and values in the words that all displays and pages share."""

from collections.abc import Iterable, Sequence


def duration_text(seconds: float) -> str:
    """Seconds as `45 s`, `12:05` or `3:07:00`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def duration_words(seconds: float) -> str:
    """Seconds with their units: `45 s`, `12 min 5 s`, `3 h 7 min`."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {secs} s" if minutes else f"{secs} s"


def count_text(count: float) -> str:
    """A large count as `483 k`, `1.94 M`, `2.9 G`, `1 T`."""
    for unit, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if round(count / size, 3) >= 1:  # 999 999 is 1 M, not 1e+03 k
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"


def value_text(value: float | None) -> str:
    """A mean IoU with four digits, a dash where there is none."""
    return "-" if value is None else f"{value:.4f}"


def values_text(values: Iterable[float]) -> str:
    """`0.6120, 0.5987`."""
    return ", ".join(f"{value:.4f}" for value in values)


def plural(count: int, word: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
