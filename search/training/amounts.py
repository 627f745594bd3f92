"""How much training images vary: the ranges and shares that augmentation draws from, on the CPU and on a GPU alike."""

from dataclasses import dataclass

Range = tuple[float, float]

FLIPPED = 0.5
"""Share of the images that a flip mirrors."""

MOVED = 0.5
"""Share of the images that are zoomed, shifted and rotated: the even chance of report 000."""

DEFORMED = 0.5
"""Share of the images that one deformation bends: they cost several times a rigid motion, and two would blur labels."""

BRIGHTENED, GAMMA_CORRECTED, NOISY, BLURRED = 0.5, 0.3, 0.3, 0.2
"""Shares of the images that each change of light or sensor is applied to."""

ELASTIC_SIGMA = 5
"""Smoothness of elastic fields: standard deviation in pixels of their Gaussian."""

GRID_STEPS = 5
"""Cells of a distorted grid along each axis; a last, narrower one takes what is left over."""


@dataclass(frozen=True)
class Amounts:
    """Ranges (low, high) of random parameters at a strength above 0."""

    strength: float

    @property
    def zoom(self) -> Range:
        """Factors of height and of width, each drawn on its own."""
        return 1 - 0.1 * self.strength, 1 + 0.1 * self.strength

    @property
    def shift(self) -> Range:
        """Fractions of height and of width."""
        return -0.06 * self.strength, 0.06 * self.strength

    @property
    def rotation(self) -> Range:
        """Degrees."""
        return -15 * self.strength, 15 * self.strength

    @property
    def elastic(self) -> float:
        """Pixels that the largest number of an unsmoothed elastic field stands for."""
        return 20 * self.strength

    @property
    def grid(self) -> Range:
        """Change of the width of a grid's cell, as a fraction of it."""
        return -0.3 * self.strength, 0.3 * self.strength

    @property
    def lens(self) -> Range:
        """Coefficient of radial distortion."""
        return -0.2 * self.strength, 0.2 * self.strength

    @property
    def tilt(self) -> Range:
        """Standard deviation of how far a perspective moves corners, as a fraction of height and width."""
        return 0.02 * self.strength, 0.06 * self.strength

    @property
    def brightness(self) -> Range:
        """Added, as a fraction of the full range."""
        return -0.2 * self.strength, 0.2 * self.strength

    @property
    def contrast(self) -> Range:
        """Added to the factor 1."""
        return -0.2 * self.strength, 0.2 * self.strength

    @property
    def gamma(self) -> Range:
        """Exponent in hundredths."""
        return 100 - 20 * self.strength, 100 + 20 * self.strength

    @property
    def noise(self) -> Range:
        """Standard deviation as a fraction of the full range."""
        return 0.02 * self.strength, 0.08 * self.strength

    @property
    def blur(self) -> Range:
        """Standard deviation in pixels; from 0.1, where the kernel is the identity: a sigma of 0 divides by zero."""
        return 0.1, 0.1 + 0.9 * self.strength
