"""What a training refuses before it starts, in one line."""

from __future__ import annotations

import math

import torch
from torch import nn

from semifreddo.core.errors import ConfigError, DataError
from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.inputs import as_input
from semifreddo.nn.pin import quantizers
from semifreddo.train.data import TrainVal
from semifreddo.train.options import TrainOptions
from semifreddo.train.seen import raw_images


def check_data(config: NetworkConfig, data: TrainVal) -> None:
    """Refuse images, or classes, that a network does not take.

    Raises:
        DataError: Another image shape.
        ConfigError: More classes than outputs.
    """
    if data.input_shape != config.input_shape:
        raise DataError(
            f"{data.name}: images are {data.input_shape} (channels, height, width), the network "
            f"takes {config.input_shape}"
        )
    if len(data.labels) > config.classes:
        raise ConfigError(
            f"{data.name} has {len(data.labels)} classes, the network has {config.classes} outputs"
        )


def check_model(model: nn.Module, data: TrainVal, epochs: int) -> None:
    """Refuse what torch would refuse in words of its own, or train for nothing, before it starts.

    Raises:
        ConfigError: The model cannot learn these data; says why.
    """
    if not epochs:
        raise ConfigError(f"{data.name}: no epochs for this model; a task must be trained")
    for name, parameter in model.named_parameters():
        if parameter.dtype != torch.float32:
            raise ConfigError(f"{name} is {parameter.dtype}; train in float32: model.float()")
    if not any(True for _ in quantizers(model)):
        raise ConfigError("the model has no Brevitas quantizer, so no hardware computes it")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(
            "every parameter is frozen; freeze fewer layers, or use the model as it is"
        )
    training = model.training
    try:
        with torch.no_grad():
            result = model.eval()(as_input(model, raw_images(model, data.train.head(1))))
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConfigError(
            f"the model does not take the images of {data.name}, {data.input_shape} (channels, "
            f"height, width): {text}"
        ) from error
    finally:
        model.train(training)
    answer = getattr(result, "value", result)
    if not isinstance(answer, torch.Tensor):
        raise ConfigError(f"the model gives a {type(answer).__name__}, expected one tensor")
    if answer.dim() < 2 or math.prod(answer.shape[2:]) != 1:
        raise ConfigError(
            f"the model answers an image with shape {tuple(answer.shape[1:])}; for classes it must "
            "be one number each, (classes,): end with a pool or a linear layer"
        )
    if answer.shape[1] < len(data.labels):
        raise ConfigError(
            f"{data.name} has {len(data.labels)} classes, the model has {answer.shape[1]} outputs"
        )


def check_crop(twin: nn.Module, shape: tuple[int, int, int], crop: int) -> None:
    """Refuse crops that are no part of an image, or that the model does not take.

    Raises:
        ConfigError: They are not.
    """
    channels, height, width = shape
    if crop >= min(height, width):
        raise ConfigError(
            f"training: crop = {crop} is no part of {height}x{width} images; use a smaller one, or "
            "none"
        )
    try:
        with torch.no_grad():
            twin.eval()(torch.zeros(1, channels, crop, crop))
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConfigError(
            f"training: the model does not take crops of {crop}x{crop}: {text}; leave crop out"
        ) from error


def refuse_float(options: TrainOptions) -> None:
    """Refuse epochs without quantizers for a network of which something is frozen.

    Raises:
        ConfigError: The options ask for some.
    """
    if options.float_epochs:
        raise ConfigError(
            f"training: float_epochs = {options.float_epochs}, but parts of this network are "
            "frozen, and frozen parts are integers; use float_epochs where nothing is frozen yet"
        )
