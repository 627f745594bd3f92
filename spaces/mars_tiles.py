"""The facts of the course's Mars tiles, for looking at a space before there is data."""

from spaces.facts import DataFacts

MARS_TILES = DataFacts(
    channels=1,
    class_names=("background", "soil", "bedrock", "sand", "big rock"),
    background=0,
    ignored=(0,),
    objective=(1, 2, 3, 4),
    height=64,
    width=128,
    train_images=1503,
    validation_images=501,
    class_pixels=(2_986_000, 4_128_000, 2_918_000, 2_260_000, 17_000),
    class_images=(1252, 769, 696, 518, 38),
)
"""Sizes and classes of the original file; counts are 60 % of those published for its 2505 good tiles (rounded)."""
