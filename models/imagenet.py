"""The weights that timm offers for its encoders: from the Hugging Face hub, kept in its cache."""

from collections.abc import Iterable

import numpy as np
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from timm.models import PretrainedCfg, create_model, get_pretrained_cfg

REACHED_WITHIN = 5.0
"""Seconds for the hub to answer. Its own client would try for minutes."""

FILE_NAME = "model.safetensors"


class UnreachableError(Exception):
    """Weights are not in the cache, and the place where they are cannot be reached."""


def source(name: str) -> PretrainedCfg:
    """Where timm has the weights of its model `name`. Raises ValueError where it has none."""
    configuration = get_pretrained_cfg(name)
    if configuration is None or not configuration.has_weights:
        raise ValueError(f"timm has no pretrained weights of {name!r}")
    return configuration


def imagenet_weights(name: str) -> dict[str, np.ndarray]:
    """The weights of timm's model `name`, by the names of its `state_dict`.

    What is in the cache is read without asking the hub whether there is a newer version. The global random generator is
    left as it was. Raises ValueError where timm has none.
    """
    cached = cached_file(source(name))
    overlay = None if cached is None else {"file": cached}
    with torch.random.fork_rng(devices=[]):
        model = create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    return {tensor: values.numpy() for tensor, values in model.state_dict().items()}


def cached_file(configuration: PretrainedCfg) -> str | None:
    """The file in the hub's cache, None where it is not there."""
    if not _on_hub(configuration):
        return None
    found = try_to_load_from_cache(str(configuration.hf_hub_id), configuration.hf_hub_filename or FILE_NAME)
    return found if isinstance(found, str) else None


def fetch(names: Iterable[str]) -> dict[str, str]:
    """Bring the weights of timm's models `names` into the cache; the reasons for those of which timm has none.

    Raises UnreachableError, within seconds, where one cannot be had. Reads each once, so that a spoiled file shows.
    """
    missing = {}
    for name in names:
        try:
            configuration = source(name)
        except ValueError as error:
            missing[name] = str(error)
            continue
        if _on_hub(configuration) and cached_file(configuration) is None:
            _reach(name, configuration)
        try:
            imagenet_weights(name)
        except Exception as error:  # of timm, of the hub's client, of a network library, of a spoiled file
            raise UnreachableError(f"the weights of {name} cannot be read: {_words(error)}") from error
    return missing


def _on_hub(configuration: PretrainedCfg) -> bool:
    """Whether the weights are on the hub, in the version that timm takes by default."""
    return configuration.hf_hub_id is not None and "@" not in configuration.hf_hub_id


def _reach(name: str, configuration: PretrainedCfg) -> None:
    url = hf_hub_url(str(configuration.hf_hub_id), configuration.hf_hub_filename or FILE_NAME)
    try:
        get_hf_file_metadata(url, timeout=REACHED_WITHIN)
    except EntryNotFoundError:
        return  # reached: the weights have another form there, and timm knows which
    except Exception as error:  # the client's network library has changed, and its errors with it
        raise UnreachableError(
            f"the weights of {name} are not in the cache, and {url} cannot be reached: {_words(error)}"
        ) from error


def _words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}{': ' + lines[0] if lines else ''}"
