"""timm's weights for the encoders of a space, brought into the cache before the first trial."""

from collections.abc import Sequence

from search.errors import UserError

WAYS_OUT = """--pretrained imagenet takes timm's weights from the Hugging Face hub. Without a connection to it:
  --pretrained none: start from random weights
  --pretrained FILE: start from the weights of an encoder as a safetensors file
  or give the same command with --dry-run where there is a connection, HF_HOME set to a folder; copy that folder here,
  and set HF_HOME to it"""


def fetch_weights(encoders: Sequence[str]) -> dict[str, str]:
    """Bring the weights into the cache, where they are not yet; the encoders of which timm has none, and why.

    Imports torch. Raises UserError where weights cannot be had, and where timm has them for no encoder.
    """
    from models.imagenet import UnreachableError, fetch

    try:
        missing = fetch(encoders)
    except UnreachableError as error:
        raise UserError(f"{error}\n{WAYS_OUT}") from error
    if len(missing) == len(encoders):
        raise UserError(
            f"--pretrained imagenet needs an encoder that timm has weights of: {'; '.join(missing.values())}. Choose "
            "other encoders, or --pretrained none"
        )
    return missing
