"""`semifreddo new`: what it writes trains and builds without another word."""

from __future__ import annotations

import dataclasses
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tomllib

from semifreddo.cli.main import main
from semifreddo.core.errors import ConfigError, DataError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.build import build
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.new_design import network_for, write_design
from semifreddo.flow.stages.rtl import schedule_of
from semifreddo.flow.training import dataset_of
from semifreddo.ir.serial import load_net

MINI = (
    Path(os.environ.get("SEMIFREDDO_DATA", Path(__file__).parents[3] / "shared" / "data")) / "mini"
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A set of 28x20 colour images of six classes."""
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 60), ("test", 18)):
        arrays[f"x_{part}"] = random.integers(0, 256, (count, 28, 20, 3), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 6
    folder = tmp_path / "images"
    folder.mkdir()
    np.savez(folder / "cifar10.npz", **arrays)
    return folder


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 16, 28, 32, 48, 64, 96])
def test_every_usual_size_has_a_network(channels: int, size: int) -> None:
    network = network_for((channels, size, size), 10)
    assert network.map_size == (4, 4)
    assert len(network.widths) >= 2 and network.first_padding <= 2


def test_the_file(images: Path, tmp_path: Path) -> None:
    config = write_design(tmp_path / "six-things", "cifar10", images, "kv260")
    assert (config.name, config.board.name) == ("six_things", "kv260")
    assert config.train is not None and config.train.core_classes == (0, 1, 2)
    text = (tmp_path / "six-things" / "design.toml").read_text()
    keys = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert len(keys) <= 18
    assert tomllib.loads(text)["train"]["network"]["input_shape"] == [3, 28, 20]
    assert "# cifar10: images of 20x28 pixels (width x height), channels: 3;\n" in text
    assert "# 6 classes, 48 images to train on." in text


def test_images_beside_the_design(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "a/b", "--dataset", "cifar10", "--data", "images"]) == 0
    config = load_config(Path("a/b"))
    assert config.train is not None and config.train.data == Path("../../images")
    with pytest.raises(ConfigError, match=r"^a/b/design.toml: is there already; choose another"):
        write_design(Path("a/b"), "cifar10", images, "pynq_z2")


def test_nothing_stays_of_a_refusal(images: Path, tmp_path: Path) -> None:
    wrong = (
        ("1st", "cifar10", images, "pynq_z2", ConfigError, "'1st' does not match"),
        ("x/y", "cifar10", images, "pynq_z3", ConfigError, "did you mean 'pynq_z2'"),
        ("x/y", "cifar10", tmp_path / "no", "pynq_z2", DataError, "no such directory"),
        ("x/y", "fasion", images, "pynq_z2", DataError, "unknown data set 'fasion'"),
    )
    for name, dataset, data, board, error, message in wrong:
        with pytest.raises(error, match=message):
            write_design(tmp_path / name, dataset, data, board)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_padding_that_cannot_be_built_is_refused_before_training(
    images: Path, tmp_path: Path
) -> None:
    write_design(tmp_path / "d", "cifar10", images, "pynq_z2")
    file = tmp_path / "d" / "design.toml"
    file.write_text(
        file.read_text().replace(
            "input_shape = [3, 28, 20]", "stem_padding = 3\ninput_shape = [3, 28, 28]"
        )
    )
    with pytest.raises(ConfigError, match="stem_padding = 3 cannot be built; hardware pads"):
        load_config(tmp_path / "d")


def quickly(config: BuildConfig) -> BuildConfig:
    """The same design, trained for one epoch, with few golden vectors."""
    assert config.train is not None
    once = dataclasses.replace(
        config.train.task, epochs=1, tune_epochs=0, batch=128, progress=False
    )
    return dataclasses.replace(
        config,
        train=dataclasses.replace(config.train, core=once, task=once),
        vectors=dataclasses.replace(config.vectors, test_images=16),
    )


def trained(name: str, data: Path, folder: Path) -> BuildConfig:
    from semifreddo.flow.training import export_design, train_design

    config = quickly(write_design(folder / name, name, data, "pynq_z2"))
    train_design(config)
    export_design(config)
    return config


needs = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "brevitas", "qonnx", "hls4ml")),
    reason="needs torch, brevitas, qonnx and hls4ml",
)


@needs
@pytest.mark.data
@pytest.mark.skipif(not MINI.is_dir(), reason="benchmark images are not here (SEMIFREDDO_DATA)")
@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10", "gtsrb"])
def test_real_images_train_and_fit_the_board(name: str, tmp_path: Path) -> None:
    config = trained(name, MINI, tmp_path)
    report = build(config, until="lower")
    assert report.net is not None
    assert len(VectorSet.load(config.root / "vectors.npz")) == 16
    scheduled = schedule_of(config, load_net(config.build_dir / "net.json"))
    assert scheduled.explanation.total["lut"] <= 0.7 * config.board.resources.lut


@needs
@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not MINI.is_dir(), reason="benchmark images are not here (SEMIFREDDO_DATA)")
@pytest.mark.parametrize("name", ["fashion_mnist", "gtsrb"])
def test_real_images_build_whole(name: str, tmp_path: Path) -> None:
    config = trained(name, MINI, tmp_path)
    few = dataclasses.replace(config, cosim=dataclasses.replace(config.cosim, images=8))
    report = build(few)
    assert report.bundle is not None
    assert {rung.name: rung.status for rung in report.ladder}["csim"] == "equal"


def test_pictures_of_any_size_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size that `new` was told is the network's, and every later reader scales to it."""
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    monkeypatch.chdir(tmp_path)
    for kind in range(2):
        (tmp_path / "pictures" / f"kind {kind}").mkdir(parents=True)
        for number in range(12):
            picture = image.new("RGB", (20 + number, 30), (120 * kind, number, 0))
            picture.save(tmp_path / "pictures" / f"kind {kind}" / f"{number}.png")
    command = ["new", "mine", "--dataset", "pictures", "--data", "pictures"]
    assert main(command) == 1
    assert main([*command, "--size", "16"]) == 2
    assert main([*command, "--size", "12x16"]) == 0
    config = load_config(Path("mine"))
    data = dataset_of(config)
    assert data.input_shape == (3, 16, 12) and data.labels == ("kind 0", "kind 1")
    assert data.preprocessing.resize == "bilinear"
    with pytest.raises(ConfigError, match="--size: images of digits have their size"):
        write_design(Path("other"), "digits", None, "pynq_z2", (8, 8))
