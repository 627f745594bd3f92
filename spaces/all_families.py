"""The space `all_families`: every family in one conditional tree."""

from collections.abc import Mapping

from spaces.deeplab_family import deeplab_axes
from spaces.domains import label
from spaces.encoder_family import encoder_axes
from spaces.experts import experts_axes
from spaces.facts import DataFacts
from spaces.families import Axes, several_families
from spaces.hybrid_family import hybrid_axes
from spaces.recipe import unet_recipe
from spaces.reports import report_points
from spaces.space import NamedPoint, SearchSpace
from spaces.transformer_family import light4mars_axes, rockseg_axes
from spaces.unet_family import default_patch, unet_axes
from spaces.unet_plus_family import optional_fusion_axes, unet_plus_plus_axes, uw_net_axes


def all_families(facts: DataFacts) -> SearchSpace:
    """Every family above in one tree: they share loss, optimizer and augmentation."""
    recipe = unet_recipe(facts, patch=default_patch(facts))
    families = family_axes(facts)
    bare = several_families("all_families", facts, families, {}, default="unet")
    points = {"recipe": recipe} | {name: trained_as(recipe, bare, name) for name in families if name != "unet"}
    return several_families("all_families", facts, families, {**points, **report_points(facts)}, default="unet")


def trained_as(recipe: NamedPoint, space: SearchSpace, family: str) -> NamedPoint:
    """The default network of a family with all else from `recipe`: each family's first look."""
    params = space.sample(lambda name, domain: family if name == "model" else label(domain.default))
    config = recipe.config.model_copy(update={"model": space.decode(params).model})
    return NamedPoint(config=config, note=f"the default of {family}, trained as the recipe")


def family_axes(facts: DataFacts) -> Mapping[str, Axes]:
    """The axes of each family."""
    return {
        "unet": {**unet_axes(facts), "fusion": optional_fusion_axes()},
        "unet_plus_plus": unet_plus_plus_axes(facts),
        "uw_net": uw_net_axes(facts),
        "dual_unet": unet_axes(facts),
        "deeplab": deeplab_axes(facts),
        "encoder": encoder_axes(facts),
        "rockseg_like": rockseg_axes(facts),
        "light4mars": light4mars_axes(facts),
        "hybrid": hybrid_axes(facts),
        "experts": experts_axes(facts),
    }
