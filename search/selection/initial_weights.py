"""The weights that a trial started from, once more."""

from collections.abc import Sequence

from search.data.initial_weights import InitialWeights, read_initial_weights
from search.errors import StudyError
from search.hashes import short_hash
from search.tuning.fork_server import ForkServer
from search.tuning.imagenet import fetch_weights
from spaces.config import TrialConfig
from spaces.networks import EncoderConfig


def initial_weights_again(config: TrialConfig, given: str | None) -> InitialWeights:
    """What the trial of `config` started from, `given` as `--pretrained` (None: not given).

    timm's weights are looked for. Raises UserError where a file is missing, of other weights, or not to be given.
    """
    start = recorded_weights(config.pretrained, given)
    if config.pretrained == "imagenet" and (encoders := encoders_in([config])):
        fetch_weights(encoders)
    return start


def initial_weights_of(configs: Sequence[TrialConfig], given: str | None, server: ForkServer) -> InitialWeights:
    """As `initial_weights_again` for several configurations, of one start; torch is imported by a fork alone."""
    start = recorded_weights(configs[0].pretrained, given)
    if start.pretrained == "imagenet" and (encoders := encoders_in(configs)):
        server.call(fetch_weights, encoders)
    return start


def encoders_in(configs: Sequence[TrialConfig]) -> list[str]:
    """timm's names of the encoders in these networks, each once."""
    names = (config.model.encoder for config in configs if isinstance(config.model, EncoderConfig))
    return list(dict.fromkeys(names))


def recorded_weights(recorded: str, given: str | None) -> InitialWeights:
    """The weights that a configuration names, read from `given` where it is a file. Raises UserError."""
    if recorded.startswith("sha256:") and given is None:
        raise StudyError(
            f"this trial started from the weights of a file ({short_hash(recorded)}): give that file with "
            "--pretrained FILE"
        )
    start = read_initial_weights(recorded if given is None else given)
    if start.pretrained != recorded:
        raise StudyError(
            f"this trial started from {_words(recorded)}, and --pretrained {given} names {_words(start.pretrained)}: "
            f"{'give that file' if recorded.startswith('sha256:') else 'leave --pretrained out'}"
        )
    return start


def _words(pretrained: str) -> str:
    words = {"none": "random weights", "imagenet": "timm's weights"}
    return words.get(pretrained, f"the weights of a file ({short_hash(pretrained)})")
