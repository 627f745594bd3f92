"""timm's weights before the first trial; what a hub out of reach says is in tests/models/test_pretrained.py."""

from collections.abc import Callable, Iterable

import pytest

from models.imagenet import UnreachableError
from search.errors import UserError
from search.tuning.imagenet import fetch_weights


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable], None]:
    """Replaces the fetching."""
    return lambda fetch: monkeypatch.setattr("models.imagenet.fetch", fetch)


def test_weights_that_cannot_be_had_are_a_mistake_with_three_ways_out(hub) -> None:
    def unreachable(names: Iterable[str]) -> dict[str, str]:
        raise UnreachableError(f"the weights of {next(iter(names))} are not in the cache")

    hub(unreachable)
    with pytest.raises(UserError) as error:
        fetch_weights(("resnet18",))
    reason, rule, *ways = str(error.value).splitlines()
    assert reason == "the weights of resnet18 are not in the cache"
    assert rule.startswith("--pretrained imagenet takes timm's weights from the Hugging Face hub")
    assert [way for way in ("--pretrained none", "--pretrained FILE", "HF_HOME") if way not in "\n".join(ways)] == []


def test_encoders_without_weights_are_told_and_all_of_them_refused(hub) -> None:
    hub(lambda names: {name: f"timm has no pretrained weights of {name!r}" for name in names if name != "resnet18"})
    assert fetch_weights(("resnet18", "b")) == {"b": "timm has no pretrained weights of 'b'"}
    with pytest.raises(UserError, match=r"timm has no pretrained weights of 'a'; timm has no pre.*other encoders, or "):
        fetch_weights(("a", "b"))
