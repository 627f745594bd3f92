"""A file with the weights of an encoder: of a space only the networks that can start from it are searched.

timm's names and shapes are read in a fork, for the search's process never imports torch.
"""

from collections.abc import Mapping, Sequence

from search.data.initial_weights import InitialWeights
from search.errors import SpaceError
from search.tuning.fork_server import ForkServer
from spaces.encoders import encoders_of, only_encoders
from spaces.space import SearchSpace


def fit_space(space: SearchSpace, start: InitialWeights, server: ForkServer) -> SearchSpace:
    """`space`, or where `start` is the file of an encoder, its networks on that encoder. Raises SpaceError."""
    if start.weights is None or start.whole_network:
        return space
    shapes = {name: array.shape for name, array in start.weights.items()}
    encoders = encoders_of(space)
    fitting = server.call(fitting_encoders, encoders, shapes)
    if not fitting:
        raise SpaceError(
            f"--pretrained names a file whose {len(shapes)} tensors (the first: {next(iter(shapes))!r}) are those of "
            f"no encoder of the space {space.name}, which are {', '.join(encoders)}: take the file of one of these, or "
            "write a space with the file's own encoder, encoder_axes(facts, ('resnet18',)) for one of resnet18: "
            "docs/spaces.md shows it"
        )
    return only_encoders(space, fitting)


def fitting_encoders(encoders: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """The encoders whose weights have these shapes. Imports torch."""
    from models.pretrained import is_of

    return tuple(name for name in encoders if is_of(name, shapes))
