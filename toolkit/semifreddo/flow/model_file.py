"""The QONNX file of a design, with what ``[input]`` says about its input."""

from __future__ import annotations

from pathlib import Path

from semifreddo.convert.entrance import Entrance
from semifreddo.convert.input_format import InputFormat, write_with_format
from semifreddo.core.errors import ConfigError
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.flow.config import BuildConfig

_MADE = "input.onnx"


def model_file(config: BuildConfig) -> Path:
    """The file that a design's network is made of.

    Where ``[input]`` gives a format, that is a copy in the build folder with a quantizer in front.

    Raises:
        ConversionError: The model cannot be read, or quantizes its input itself.
    """
    path, section = config.path(config.design.model), config.input
    if section.bits is None or section.scale is None or not path.is_file():
        return path
    made = config.build_dir / _MADE
    made.parent.mkdir(parents=True, exist_ok=True)
    write_with_format(path, InputFormat(section.bits, section.signed, section.scale), made)
    return made


def preprocessing_of(
    config: BuildConfig, entrance: Entrance, known: Preprocessing, *, is_ours: bool
) -> Preprocessing:
    """From stored pixels to the integers of the input.

    Args:
        config: The design.
        entrance: What the file does to its input.
        known: What the model's metadata say.
        is_ours: Whether the toolkit has exported the file.

    Raises:
        ConfigError: ``[input]`` has a mean, and the model or its metadata have one, too.
    """
    section = config.input
    if section.mean is None or section.deviation is None:
        return entrance.preprocessing(known, is_ours=is_ours)
    if known.normalises or not entrance.is_identity:
        raise ConfigError(
            f"{config.path(config.design.model)}: says itself what it does to pixels; leave mean "
            "and deviation of [input] out"
        )
    own = Preprocessing(mean=section.mean, deviation=section.deviation)
    return entrance.preprocessing(own, is_ours=is_ours)
