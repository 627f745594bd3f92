"""The weights that a trial started from, once more."""

from search.data.initial_weights import InitialWeights, read_initial_weights
from search.errors import StudyError
from search.hashes import short_hash
from search.tuning.imagenet import fetch_weights
from spaces.config import TrialConfig
from spaces.networks import EncoderConfig


def initial_weights_again(config: TrialConfig, given: str | None) -> InitialWeights:
    """What the trial of `config` started from, `given` as `--pretrained` (None: not given).

    timm's weights are looked for. Raises UserError where a file is missing, of other weights, or not to be given.
    """
    recorded = config.pretrained
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
    if recorded == "imagenet" and isinstance(config.model, EncoderConfig):
        fetch_weights([config.model.encoder])
    return start


def _words(pretrained: str) -> str:
    words = {"none": "random weights", "imagenet": "timm's weights"}
    return words.get(pretrained, f"the weights of a file ({short_hash(pretrained)})")
