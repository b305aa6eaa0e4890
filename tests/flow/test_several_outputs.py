"""A model with several outputs, from its file to the answers of a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the train extra")

from fakes import FakeDevice  # noqa: E402
from onnx_models import Graph  # noqa: E402
from semifreddo.convert import export_qonnx, export_vectors  # noqa: E402
from semifreddo.core.errors import ConfigError, DataError  # noqa: E402
from semifreddo.flow.config import load_config  # noqa: E402
from semifreddo.flow.rungs import model_rungs  # noqa: E402
from semifreddo.flow.stages.lower import Lowered, lower_design  # noqa: E402
from semifreddo.runtime import Accelerator, Bundle  # noqa: E402
from semifreddo.sim.ladder import climb  # noqa: E402
from semifreddo.train.objective import first_outputs  # noqa: E402
from user_models import image, net  # noqa: E402

LABELS = '[task]\nlabels = ["cat", "dog", "bird", "small", "big"]\n'


def lowered(folder: Path, more: str = "", *, pixels: bool = False) -> Lowered:
    """A convolution and two heads: of 3 and 2 classes, or two images."""
    graph = Graph()
    value = graph.conv(graph.image())
    if pixels:
        first, second = value, graph.node("Relu", value, name="size")
    else:
        value = graph.quant(graph.node("Flatten", graph.node("GlobalAveragePool", value)), 0.07)
        first, second = (
            graph.node("Gemm", value, graph.weight(f"{name}.w", (count, 3), scale), name=name,
                       transB=1)
            for name, count, scale in (("animal", 3, 0.113), ("size", 2, 0.041))
        )  # fmt: skip
    graph.outputs.append(second)
    graph.save(folder / "model.onnx", first)
    (folder / "design.toml").write_text(f'[design]\nname = "heads"\n\n{more}')
    return lower_design(load_config(folder))


def opened(found: Lowered) -> Accelerator:
    bundle = Bundle(found.net, {found.task.name: found.task}, {found.task.name: found.vectors})
    return Accelerator.open(bundle, FakeDevice(found.net))


def test_every_output_is_answered_by_itself(tmp_path: Path) -> None:
    found = lowered(tmp_path, LABELS)
    names = tuple(name for name, _ in found.task.heads)
    assert [count for _, count in found.task.heads] == [3, 2]
    with opened(found) as accelerator:
        answers = accelerator.predict(found.vectors.images)
        assert accelerator.check().ok
    raw = found.vectors.expected
    animals = [("cat", "dog", "bird")[place] for place in raw[:, :3].argmax(axis=1)]
    sizes = [("small", "big")[place] for place in raw[:, 3:].argmax(axis=1)]
    assert answers.labels_of(names[0]) == animals
    assert answers.labels_of(names[1]) == sizes
    assert len(set(animals)) > 1
    assert answers[3].label == f"{animals[3]}, {sizes[3]}"
    assert (answers.indices == -1).all()
    assert np.array_equal(answers.raw_of(names[1]), raw[:, 3:])
    with pytest.raises(DataError, match=r"ask for the labels of one, labels_of\(name\)"):
        _ = answers.labels
    with pytest.raises(DataError, match="no output 'colour'; it has: animal"):
        answers.labels_of("colour")


def test_without_labels_the_channels_are_numbered(tmp_path: Path) -> None:
    found = lowered(tmp_path)
    (first, _), (second, _) = found.task.heads
    assert found.task.labels == (*(f"{first}.{n}" for n in range(3)), f"{second}.0", f"{second}.1")


def test_every_channel_has_a_label_or_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"4 labels for the outputs .* name every channel"):
        lowered(tmp_path, LABELS.replace(', "big"', ""))


def test_two_images(tmp_path: Path) -> None:
    found = lowered(tmp_path, pixels=True)
    with opened(found) as accelerator:
        answers = accelerator.predict(found.vectors.images[:5])
    (first, _), (second, _) = found.task.heads
    assert answers.raw_of(first).shape == answers.raw_of(second).shape == (5, 4, 3)
    assert np.array_equal(answers.raw_of(second), np.maximum(answers.raw_of(first), 0))
    assert answers[0].label == ""
    with pytest.raises(DataError, match="is an image; use raw_of"):
        answers.labels_of(first)


def test_the_command_counts_the_answers_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from semifreddo.cli.main import main
    from semifreddo.runtime import write_bundle

    found = lowered(tmp_path, LABELS)
    bundle = Bundle(found.net, {found.task.name: found.task}, {found.task.name: found.vectors})
    write_bundle(tmp_path / "heads.sfb", bundle)
    monkeypatch.setattr(
        "semifreddo.runtime.accelerator.open_transport", lambda *_: FakeDevice(found.net)
    )
    np.savez(tmp_path / "images.npz", images=found.vectors.images[:8].astype(np.uint8))
    bundle_path, images = (str(tmp_path / name) for name in ("heads.sfb", "images.npz"))
    assert main(["run", bundle_path, "--images", images, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    counts = document["labels"]
    assert sum(counts[name] for name in ("cat", "dog", "bird")) == 8
    assert sum(counts[name] for name in ("small", "big")) == 8
    label = document["answers"][0]["label"]
    assert len(label.split(", ")) == 2


class TwoHeads(torch.nn.Module):
    """One body and two results."""

    def __init__(self) -> None:
        super().__init__()
        import brevitas.nn as qnn
        from brevitas.quant import Int8WeightPerTensorFloat

        self.body = net(features=8)[:-1]
        options = {"bias": False, "weight_quant": Int8WeightPerTensorFloat}
        self.stem = qnn.QuantConv2d(3, 8, 3, **options)
        self.image, self.act = image(), image()
        self.animal, self.size = (qnn.QuantLinear(8, count, **options) for count in (3, 2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.act(torch.relu(self.stem(self.image(x)))).mean((2, 3))
        x = self.body[0](x)
        return self.animal(x), self.size(x)


def test_a_model_of_ones_own_with_two_results(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = TwoHeads().train()
    for _ in range(3):
        model(torch.rand(16, 3, 10, 10))
    model.eval()
    export_qonnx(model, tmp_path / "model.onnx", input_shape=(3, 10, 10))
    images = np.random.default_rng(1).integers(0, 256, (20, 10, 10, 3)).astype(np.uint8)
    export_vectors(model, images, tmp_path / "vectors.npz")
    (tmp_path / "design.toml").write_text(
        '[design]\nname = "heads"\n\n[vectors]\nfile = "vectors.npz"\n'
    )
    config = load_config(tmp_path)
    found = lower_design(config)
    assert [count for _, count in found.task.heads] == [3, 2]
    ladder = climb(found.net, found.vectors, model_rungs(config, found.net))
    ladder.check()
    with pytest.raises(ConfigError, match="gives 2 results, of which no one loss follows"):
        first_outputs(model(torch.rand(2, 3, 10, 10)), 5)
