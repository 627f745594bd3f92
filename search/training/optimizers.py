"""Optimizers by name. None decays one-dimensional parameters (biases, affine parameters of normalization)."""

from pytorch_optimizer import Ranger
from timm.optim.lion import Lion
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from spaces.config import OptimizerConfig

MOMENTUM = 0.9


def build_optimizer(config: OptimizerConfig, model: nn.Module) -> Optimizer:
    """The optimizer of `model` at `config.learning_rate`.

    SGD has momentum 0.9 (plain, not Nesterov's) and, as Adam, decays by coupled L2; Keras' `l2(a)` equals a weight
    decay of 2a. AdamW, Lion (Chen et al. 2023, betas 0.9 and 0.99) and Ranger decay by learning rate * weight decay.
    """
    groups = parameter_groups(model, config.weight_decay)
    rate = config.learning_rate
    match config.algorithm:
        case "sgd":
            return SGD(groups, lr=rate, momentum=MOMENTUM, fused=True)
        case "adam":
            return Adam(groups, lr=rate, fused=True)
        case "adamw":
            return AdamW(groups, lr=rate, fused=True)
        case "lion":
            return Lion(groups, lr=rate)
        case "ranger":
            return _ranger(groups, rate)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups, those that decay and those that do not; an empty one is left out."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _ranger(groups: list[dict], rate: float) -> Optimizer:
    """RAdam, Lookahead and gradient centralization with the constants of lessw2020's Ranger.

    Without `degenerated_to_sgd` this implementation stands still for the first steps, which the original does not.
    """
    return Ranger(
        groups,
        lr=rate,
        betas=(0.95, 0.999),
        alpha=0.5,
        k=6,
        n_sma_threshold=5,
        degenerated_to_sgd=True,
        eps=1e-5,
    )
