"""What the data says about itself: the only thing a search space may know of it."""

from pydantic import model_validator

from spaces.schema import Config


class DataFacts(Config):
    """Facts of one split data set. Pixel and image counts are those of the training part alone.

    A *class* is an index 0..classes-1 (an output channel of the network); raw labels are mapped to indices when data is
    read. `ignored` classes have no meaning in the objective: pixels whose truth is ignored are left out of the metric.
    `objective` is the fixed set of classes that the mean IoU averages: those present in the validation truth and not
    ignored. `height` and `width` are the size in pixels at which networks train. `pixels_with_class` counts, for each
    class, all labelled pixels of the images that hold it; empty where nobody counted them. `unlabelled_images` may be
    trained on by pseudo-labels alone.
    """

    channels: int
    class_names: tuple[str, ...]
    background: int | None = None
    ignored: tuple[int, ...] = ()
    objective: tuple[int, ...]
    height: int
    width: int
    train_images: int
    validation_images: int
    class_pixels: tuple[int, ...]
    class_images: tuple[int, ...]
    pixels_with_class: tuple[int, ...] = ()
    unlabelled_images: int = 0

    @property
    def classes(self) -> int:
        """Number of classes, the background among them."""
        return len(self.class_names)

    @property
    def rare_class(self) -> int | None:
        """The objective's class found in the fewest training images, if that is at most one image in ten."""
        present = [index for index in self.objective if self.class_images[index] > 0]
        if not present:
            return None
        rarest = min(present, key=lambda index: self.class_images[index])
        return rarest if self.class_images[rarest] * 10 <= self.train_images else None

    @model_validator(mode="after")
    def _counts_match_classes(self) -> "DataFacts":
        if not len(self.class_pixels) == len(self.class_images) == self.classes:
            raise ValueError(
                f"class_pixels and class_images need one entry for each of the {self.classes} classes, "
                f"got {len(self.class_pixels)} and {len(self.class_images)}"
            )
        if len(self.pixels_with_class) not in (0, self.classes):
            raise ValueError(
                f"pixels_with_class needs one entry for each of the {self.classes} classes, or none at all, "
                f"got {len(self.pixels_with_class)}"
            )
        return self
