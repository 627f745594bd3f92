"""Importing in a notebook without a warning about what is not used."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Leave out that tqdm wants ipywidgets in a notebook: Optuna and timm import it, nothing here draws its bars."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        yield
