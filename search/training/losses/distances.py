"""Euclidean distances inside a region of pixels, the same whenever they are computed."""

import cv2
import numpy as np


def distances(region: np.ndarray) -> np.ndarray:
    """The distance in pixels, (H, W) float32, of each pixel of `region` (H, W) uint8 to the nearest 0; 0 at those.

    OpenCV's exact transform rounds the last bit by where its memory happens to lie. Squares of distances between pixels
    are whole numbers: the root of the nearest one is the same each time.
    """
    return np.sqrt(np.rint(np.square(cv2.distanceTransform(region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))))
