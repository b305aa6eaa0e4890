"""A first ``design.toml`` for an image set: a network that fits its images, and its training."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
from pathlib import Path

from semifreddo.boards import load_board
from semifreddo.core.errors import ConfigError, SemifreddoError
from semifreddo.core.files import write_atomic
from semifreddo.flow.config import FILE_NAME, BuildConfig, load_config
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.train.data import PICTURES, Dataset, load_dataset

_SMALLEST_MAP = 4
"""Blocks halve the image until its map is as small as this."""

_STRIDES = (2, 1, 3, 4)
"""Of the last two blocks, as they are tried: 28x20 pixels have no exact mean with 2 and 2."""

_WIDTHS = (16, 32)
"""Channels of the first block, and of all others: what fits a PYNQ-Z2 with three blocks."""

_EPOCH_IMAGES = 600_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 8, 40
_FEW_IMAGES = 10_000
_VECTORS = 256

_TEXT = """\
# {dataset}: images of {width}x{height} pixels (width x height), channels: {channels};
# {classes} classes, {images:,} images to train on.
# Written by `semifreddo new`; every key may be changed.

[design]
name = {name}
board = {board}

[vectors]
file = "vectors.npz"       # golden vectors: images and answers that every rung must give
test_images = {vectors}

[train]
dataset = {dataset_text}{data}
core_classes = {core}   # what the frozen core is trained on; the task has all classes

[train.network]
input_shape = [{channels}, {height}, {width}]    # channels, height, width
classes = {classes}
widths = {widths}          # channels of each block
strides = {strides}           # each block divides the image's sides by so much
shuffle = true

[train.core]
{options}

[train.task]
{options}
"""


def write_design(
    folder: Path,
    dataset: str,
    data: Path | None,
    board: str,
    size: tuple[int, int] | None = None,
) -> BuildConfig:
    """Write a design for an image set.

    Args:
        folder: The design's folder, made if it is not there; its name becomes the design's.
        dataset: One of :data:`semifreddo.train.data.NAMES`.
        data: Folder or file of the images, if they are not embedded.
        board: Name of a board, or path of a board.toml.
        size: Height and width to which pictures are scaled; ``None`` if they have one size.

    Returns:
        The design as it is read back.

    Raises:
        ConfigError: The folder holds a design, its name or the board's will not do, or the images
            are too small.
        DataError: The images are missing or damaged.
    """
    file = folder / FILE_NAME
    if file.exists():
        raise ConfigError(f"{file}: is there already; choose another folder, or edit the file")
    load_board(board)
    if size is not None and dataset != PICTURES:
        raise ConfigError(f"--size: images of {dataset} have their size; it is for {PICTURES}")
    shape = None if size is None else (None, *size)
    text = _text(folder, load_dataset(dataset, data, shape=shape), dataset, data, board)
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    write_atomic(file, text)
    try:
        return load_config(folder)
    except SemifreddoError:
        file.unlink()
        for place in missing:
            place.rmdir()
        raise


def network_for(input_shape: tuple[int, int, int], classes: int) -> SemifreddoConfig:
    """A network whose blocks halve images until little is left of them.

    Args:
        input_shape: Image (channels, height, width).
        classes: Outputs of the head.

    Raises:
        ConfigError: The images are so small, or so long, that no number of blocks fits.
    """
    _, height, width = input_shape
    blocks, size = 0, max(height, width)
    while size > _SMALLEST_MAP:
        blocks, size = blocks + 1, (size + 1) // 2
    best = (1,) * max(0, 2 - blocks) + (2,) * blocks
    first, others = _WIDTHS

    def network(strides: tuple[int, ...]) -> SemifreddoConfig:
        widths = (first, *[others] * (len(strides) - 1))
        return SemifreddoConfig(input_shape, classes, widths, strides, shuffle=True)

    for strides in (best, *((*best[:-2], *last) for last in itertools.product(_STRIDES, repeat=2))):
        with contextlib.suppress(ConfigError):
            found = network(strides)
            if max(found.map_size) <= 2 * _SMALLEST_MAP:
                return found
    return network(best)  # says what is wrong with it


def _text(folder: Path, images: Dataset, dataset: str, data: Path | None, board: str) -> str:
    channels, height, width = images.input_shape
    network = network_for(images.input_shape, len(images.labels))
    count = len(images.train)
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_EPOCH_IMAGES / count)))
    options = [f"epochs = {epochs}", f"tune_epochs = {max(2, epochs // 3)}"]
    if count < _FEW_IMAGES:
        options.append("batch = 32")
    name = re.sub(r"\W", "_", folder.resolve().name, flags=re.ASCII)
    return _TEXT.format(
        dataset=dataset,
        dataset_text=json.dumps(dataset),
        height=height,
        width=width,
        channels=channels,
        classes=len(images.labels),
        images=count,
        name=json.dumps(name),
        board=json.dumps(_seen_from(folder, Path(board)) if board.endswith(".toml") else board),
        vectors=min(_VECTORS, len(images.test)),
        data="" if data is None else f"\ndata = {json.dumps(_seen_from(folder, data))}",
        core=list(range(max(2, (len(images.labels) + 1) // 2))),
        widths=list(network.widths),
        strides=list(network.strides),
        options="\n".join(options),
    )


def _seen_from(folder: Path, path: Path) -> str:
    """A path as the design names it: an absolute one as it is, another from the design's folder."""
    return path.as_posix() if path.is_absolute() else Path(os.path.relpath(path, folder)).as_posix()
