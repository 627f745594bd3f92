"""What the configurations of all networks share."""

from typing import Annotated, Any, Literal

from pydantic import Field

from spaces.schema import Config, Count


class NetworkConfig(Config):
    """Base of all networks: images of `in_channels` in, logits of `classes` out.

    - `patch`: squares of 2x2 or 4x4 pixels are rearranged into channels before the network, and the logits are
      interpolated back. The whole network then works on a quarter or a sixteenth of the positions.
    - `input_norm`: batch normalization of the image itself.
    - `initialization`: how convolutions and linear layers start. `default` is what each network's own code does;
      `glorot_uniform` (Keras' default) and `he_normal` replace it, with biases of zero.
    """

    family: Any  # a Literal of its own in each network: what tells them apart
    in_channels: Count
    classes: Annotated[int, Field(ge=2)]
    patch: Literal[1, 2, 4] = 1
    input_norm: bool = False
    initialization: Literal["default", "glorot_uniform", "he_normal"] = "default"

    @property
    def words(self) -> str:
        """Family and size in a few words, for tables."""
        return self.family

    @property
    def patched_channels(self) -> int:
        """Channels of the image once its patches are channels."""
        return self.in_channels * self.patch**2

    @property
    def auxiliary_weight(self) -> float | None:
        """Weight of the loss of auxiliary heads, None where the network has none."""
        return None

    @property
    def one_vs_rest(self) -> bool:
        """Whether each logit is one class against the rest (sigmoid), not one of several (softmax)."""
        return False
