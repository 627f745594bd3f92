"""What a split by parts is stratified on: the names alone, so that options need nothing heavy to list them."""

from typing import Literal

DispersionRule = Literal["dispersion", "dispersion-literal", "dispersion-threshold", "dispersion-quantile"]
"""The rules of `search.data.dispersion`, which tell two types of images apart."""

Stratification = Literal["presence", DispersionRule]
"""presence: images that hold each class. A dispersion rule: these, and the images of each type."""
