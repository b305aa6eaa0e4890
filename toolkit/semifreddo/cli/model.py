"""``semifreddo train``, ``freeze`` and ``export``: from images to a QONNX model."""

from __future__ import annotations

import argparse
from pathlib import Path

from semifreddo.cli.console import add_overrides, describe, progress, table
from semifreddo.cli.parse import by_pattern
from semifreddo.core.errors import ConfigError

_TRAIN = """\
examples:
  semifreddo train hls_projects/digits
  semifreddo train hls_projects/digits --seed 3 --set train.dataset=fashion_mnist
  semifreddo train hls_projects/digits --set vectors.file=vectors.npz

For a built-in network the order is: the frozen core alone on [train] core_classes; its weights,
biases and formats become constants; then the trainable cores, blend factors and head on the task.
A model of your own ([model] in design.toml, see docs/own-model.md) is trained whole; what [model]
freeze names becomes constant; then the rest. The checkpoint is written at the end; metrics and
curves are in build/train. After Ctrl-C the same command goes on.
"""

_FREEZE = """\
examples:
  semifreddo freeze model.safetensors --layers 'cores.1.0' -o more.safetensors
  semifreddo freeze hls_projects/digits --layers head -o head.safetensors
  semifreddo freeze model.safetensors --layers 'cores.*' --fraction 0.5 -o half.safetensors
  semifreddo freeze model.safetensors --channels head.linear.weight=0,1,4-7 -o some.safetensors

Patterns are module paths or tensor names with * and ?. What is frozen already stays frozen. The new
checkpoint holds the freeze plan with a digest of every frozen tensor; every later step proves them.
A folder is a design: its checkpoint is read (a model of your own into the class that [model]
names), and the LUTs of its board are predicted.
"""

_EXPORT = """\
examples:
  semifreddo export hls_projects/digits           model.onnx and golden vectors of the design
  semifreddo export half.safetensors -o half.onnx

The QONNX file keeps the freeze plan, the labels and the accuracy in its metadata. The vectors are
the whole test split with torch's answers as raw integers.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the three verbs."""
    train = describe(verbs, "train", "train the core, freeze it, train the task around it", _TRAIN)
    train.add_argument("design", type=Path, help="folder with a design.toml that has [train]")
    train.add_argument("--seed", type=int, help="instead of the design's seeds")
    add_overrides(train)
    train.set_defaults(run=run_train)

    freeze = describe(verbs, "freeze", "freeze more of a trained model", _FREEZE)
    freeze.add_argument("source", type=Path, help="checkpoint, or folder with a design.toml")
    freeze.add_argument(
        "--layers",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="names of layers; * matches any part",
    )
    freeze.add_argument(
        "--channels", nargs="+", default=[], metavar="PATTERN=LIST", help="output channels"
    )
    freeze.add_argument(
        "--fraction", type=float, default=1.0, help="of the output channels of --layers"
    )
    freeze.add_argument("-o", "--output", type=Path, required=True, help="checkpoint to write")
    freeze.set_defaults(run=run_freeze)

    export = describe(verbs, "export", "write a trained model as QONNX", _EXPORT)
    export.add_argument("source", type=Path, help="folder with a design.toml, or a checkpoint")
    export.add_argument("-o", "--output", type=Path, help="QONNX file, for a checkpoint")
    add_overrides(export)
    export.set_defaults(run=run_export)


def run_train(arguments: argparse.Namespace) -> int:
    """Train a design."""
    from semifreddo.flow.config import load_config

    config = load_config(arguments.design, arguments.set)
    from semifreddo.flow.training import train_design

    trained = train_design(config, seed=arguments.seed, progress=progress)
    rows = [
        ("validation", f"{trained.info['val_accuracy']:.2%}"),
        ("test", f"{trained.info['test_accuracy']:.2%}"),
    ]
    print(table(rows, ("split", "accuracy")))
    progress(f"checkpoint: {config.path(config.design.checkpoint)}")
    progress(f"next: semifreddo export {config.root}")
    return 0


def run_freeze(arguments: argparse.Namespace) -> int:
    """Freeze parts of a checkpoint."""
    if not arguments.layers and not arguments.channels:
        raise ConfigError("freeze: say what, with --layers or --channels")
    channels = by_pattern(arguments.channels, "--channels")
    from semifreddo.core.files import check_target
    from semifreddo.flow.config import load_config
    from semifreddo.flow.frozen import predicted_luts
    from semifreddo.flow.trained import load_trained
    from semifreddo.flow.training import freeze_checkpoint
    from semifreddo.train.checkpoint import load_checkpoint, load_tensors
    from semifreddo.train.freeze import frozen_share

    check_target(arguments.output, "a checkpoint", load_tensors)
    config = load_config(arguments.source) if arguments.source.is_dir() else None
    trained = load_checkpoint(arguments.source) if config is None else load_trained(config)
    frozen = freeze_checkpoint(
        trained,
        arguments.output,
        layers=arguments.layers,
        channels=channels,
        fraction=arguments.fraction,
    )
    rows = [
        (tensor.name, f"{sum(tensor.channels)} of {len(tensor.channels)}")
        for tensor in frozen.plan.tensors
    ]
    print(table(rows, ("tensor", "frozen channels")))
    share, weights = frozen_share(frozen.model, frozen.plan)
    print(f"frozen: {share} of {weights} weights ({share / weights:.1%})")
    if config is not None:
        print(predicted_luts(config, frozen))
    progress(f"checkpoint: {arguments.output}")
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Export a design or a checkpoint."""
    if arguments.source.suffix == ".safetensors":
        if arguments.output is None:
            raise ConfigError("export: name the file to write with -o")
        from semifreddo.convert.load import load_model
        from semifreddo.core.files import check_target
        from semifreddo.flow.training import export_model
        from semifreddo.train.checkpoint import load_checkpoint

        check_target(arguments.output, "a QONNX file", load_model)
        export_model(load_checkpoint(arguments.source), arguments.output)
        progress(f"model: {arguments.output}")
        return 0
    if arguments.output is not None:
        raise ConfigError("export: a design names its own files; leave -o out")
    from semifreddo.flow.config import load_config

    config = load_config(arguments.source, arguments.set)
    from semifreddo.flow.training import export_design

    export_design(config, progress=progress)
    return 0
