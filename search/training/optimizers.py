"""Optimizers by name. None decays one-dimensional parameters (biases, affine parameters of normalization)."""

import torch
from pytorch_optimizer import Ranger, ScheduleFreeAdamW
from timm.optim.adabelief import AdaBelief
from timm.optim.lion import Lion
from timm.optim.muon import Muon
from torch import nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer

from spaces.config import OptimizerConfig

MOMENTUM = 0.9


def build_optimizer(config: OptimizerConfig, model: nn.Module) -> Optimizer:
    """The optimizer of `model` at `config.learning_rate`.

    SGD has momentum 0.9 (plain, not Nesterov's) and, as Adam, decays by coupled L2; Keras' `l2(a)` equals a weight
    decay of 2a. All others decay by learning rate * weight decay: AdamW, Lion (Chen et al. 2023, betas 0.9 and 0.99),
    Ranger, NAdam (Dozat 2016), AdaBelief (Zhuang et al. 2020, not rectified), Muon (Jordan 2024) and schedule-free
    AdamW (Defazio et al. 2024; see `use_trained_weights`).
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
        case "nadam":
            return NAdam(groups, lr=rate, decoupled_weight_decay=True)
        case "adabelief":
            return AdaBelief(groups, lr=rate, decoupled_decay=True, rectify=False)
        case "muon":
            return _muon(groups, rate)
        case "schedule_free":
            return ScheduleFreeAdamW(groups, lr=rate)


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


def _muon(groups: list[dict], rate: float) -> Optimizer:
    """Muon without Nesterov's momentum, kernels (out, in, h, w) taken as matrices (out, in * h * w).

    Updates are as large as AdamW's (Liu et al. 2025, 0.2 * sqrt(max(out, in * h * w))), so that one range of learning
    rates serves both. What is no matrix follows AdamW: one-dimensional parameters, depthwise kernels, matrices with a
    side shorter than 4 or 128 times the other.
    """
    return Muon(groups, lr=rate, nesterov=False, conv_mode="flatten", adjust_lr_fn="match_rms_adamw")


def use_trained_weights(optimizer: Optimizer) -> None:
    """Give the network the weights that gradients are taken at; to be called before training.

    Schedule-free optimizers take gradients between their latest weights and the average of all of them. Others have
    one set of weights, and need no switch.
    """
    if isinstance(optimizer, ScheduleFreeAdamW):
        optimizer.train()


def use_averaged_weights(optimizer: Optimizer) -> None:
    """Give the network the average that a schedule-free optimizer keeps; to be called before validating or saving."""
    if isinstance(optimizer, ScheduleFreeAdamW):
        optimizer.eval()


@torch.no_grad()
def add_kernel_l2(model: nn.Module, strength: float) -> None:
    """Add to the gradients of convolution kernels w what a term `strength` * sum(w^2) of the loss would: 2 strength w.

    This is Keras' `l2(strength)`, with any optimizer. To be called after the backward pass.
    """
    if strength == 0:
        return
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.requires_grad:
            pull = 2 * strength * layer.weight
            if layer.weight.grad is None:
                layer.weight.grad = pull
            else:
                layer.weight.grad.add_(pull)  # in place: a CUDA graph writes gradients there
