"""timm's weights for the encoders of a space, brought into the cache before the first trial.

In a process of its own, for the search's process never imports torch.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from search.errors import UserError
from search.tuning.probe import ended_at_once

WAYS_OUT = """--pretrained imagenet takes timm's weights from the Hugging Face hub. Without a connection to it:
  --pretrained none: start from random weights
  --pretrained FILE: start from the weights of an encoder as a safetensors file
  or give the same command with --dry-run where there is a connection, HF_HOME set to a folder; copy that folder here,
  and set HF_HOME to it"""


def fetch_weights(encoders: Sequence[str]) -> dict[str, str]:
    """Bring the weights into the cache, where they are not yet; the encoders of which timm has none, and why.

    Raises UserError where weights cannot be had, and where timm has them for no encoder.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, ended_at_once():
        unreachable, missing = pool.submit(fetch_in_worker, tuple(encoders)).result()
    if unreachable is not None:
        raise UserError(f"{unreachable}\n{WAYS_OUT}")
    if len(missing) == len(encoders):
        raise UserError(
            f"--pretrained imagenet needs an encoder that timm has weights of: {'; '.join(missing.values())}. Choose "
            "other encoders, or --pretrained none"
        )
    return missing


def fetch_in_worker(encoders: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """See models.imagenet.fetch: why weights cannot be had, or the encoders of which there are none."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # read when the hub's client is imported
    from models.imagenet import UnreachableError, fetch

    try:
        return None, fetch(encoders)
    except UnreachableError as error:
        return str(error), {}
