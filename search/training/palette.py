"""Colours of classes, the same in every picture of a data set."""

import numpy as np

CLASS_COLORS = np.array(
    [
        *((51, 34, 51), (240, 228, 66), (213, 94, 0), (86, 180, 233), (0, 114, 178)),
        *((204, 121, 167), (230, 159, 0), (0, 158, 115), (136, 17, 255), (102, 34, 0)),
        *((187, 238, 153), (34, 34, 153), (0, 255, 221), (221, 0, 68), (187, 85, 255)),
        *((119, 34, 119), (204, 170, 85), (153, 51, 102), (68, 102, 51), (136, 17, 204)),
    ],
    dtype=np.uint8,
)
"""RGB of class 0, 1, ...: the seven colours of Okabe and Ito (2008), then those that are farthest from all before them.

Distances are CIE76 in CIELAB, the least of four eyes: normal, and without one kind of cones (Machado et al. 2009).
"""

VOID_COLORS = np.array([(214, 214, 214), (170, 170, 170)], dtype=np.uint8)
VOID_STRIPE = 4
"""Pixels that have no label are striped: no class looks like that."""


def colored(mask: np.ndarray) -> np.ndarray:
    """The colours (H, W, 3) uint8 of class indices (H, W) uint8; from the 21st class on they repeat."""
    return CLASS_COLORS[mask % len(CLASS_COLORS)]


def stripes(height: int, width: int) -> np.ndarray:
    """The pattern (height, width, 3) uint8 of pixels without a label: diagonal, from the upper left corner."""
    rows, columns = np.mgrid[:height, :width]
    return VOID_COLORS[(rows + columns) // VOID_STRIPE % 2]
