from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from fakes import other_task, vectors_of
from nets import blended
from semifreddo.cli.main import main
from semifreddo.core.errors import (
    BundleError,
    ConfigError,
    DataError,
    LadderError,
    LimitError,
    TaskError,
    ToolError,
)
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.build import build, stages
from semifreddo.flow.check import check_bundle, check_design, check_task
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.seen import plain, value_of
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.reports.report import BuildReport
from semifreddo.runtime import Accelerator, Bundle
from semifreddo.sim.ladder import RungResult

NAMES = ["lower", "project", "csim", "rtl", "cosim", "synth", "vendor", "archive", "bitstream"]
NAMES += ["bundle"]
WAITING = ("synth", "vendor", "bitstream")


def skipped(report: BuildReport) -> dict[str, bool]:
    return {stage.name: stage.skipped or bool(stage.waits) for stage in report.stages}


def again(config: BuildConfig, *overrides: str) -> BuildConfig:
    return load_config(config.root, overrides)


def device(config: BuildConfig) -> StreamNet:
    return load_net(config.build_dir / "net.json")


def spoil(vectors: VectorSet) -> VectorSet:
    expected = vectors.expected.copy()
    expected[3, 1] += 7
    return VectorSet(vectors.images, expected)


def test_report(built: BuildConfig) -> None:
    report = BuildReport.load(built.build_dir / "report.json")
    assert report.design == "tiny"
    assert [stage.name for stage in report.stages] == NAMES
    assert report.net is not None
    assert report.net.device_digest == device(built).device_digest
    assert report.net.frozen_values + report.net.configurable_values == 36 + 36 + 4 + 4 + 12
    assert report.net.multiplications == 16 * 9 * 4 * 2 + 12
    assert report.task is not None
    assert report.task.labels == ("a", "b", "c")
    assert report.task.test_accuracy == 0.75
    assert report.task.metrics == {"test_accuracy": 0.75}
    assert report.csim is not None
    assert report.csim.compile_seconds > 0
    assert report.synthesis is None
    status = {rung.name: rung.status for rung in report.ladder}
    assert status.pop("streamnet") == status.pop("csim") == status.pop("rtl") == "equal"
    assert set(status.values()) == {"unavailable"}
    assert all(rung.detail for rung in report.ladder if rung.status == "unavailable")
    assert set(status) == {"torch", "qonnx", "vendor-csim", "vendor-cosim", "board"}
    assert report.target.lut == 53200
    page = (built.build_dir / "report.html").read_text()
    assert "tiny" in page and "<svg" in page


def test_bundle_runs(built: BuildConfig) -> None:
    with Accelerator.open(built.bundle_path) as accelerator:
        assert accelerator.backend == "csim"
        assert accelerator.tasks == ("tiny",)
        assert accelerator.check().ok
        task = other_task(device(built))
        accelerator.load_task(task)
        vectors = vectors_of(task.apply(device(built)))
        assert accelerator.check(vectors).ok


def test_random_vectors_are_called_random_in_report_check_run_and_bundle(
    built: BuildConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    what = "20 random images, answered by the integer reference"
    assert main(["report", str(built.root)]) == 0
    assert f"compared on {what}" in capsys.readouterr().out
    page = (built.build_dir / "report.html").read_text()
    assert f"Compared on {what}." in page and "Random images and answers" in page
    bundle = Bundle.load(built.bundle_path)
    assert [vectors.random for vectors in bundle.vectors.values()] == [True]
    for target in (built.root, built.bundle_path):
        assert main(["check", str(target)]) == 0
        assert f"task tiny: {what}" in capsys.readouterr().out
    assert main(["run", str(built.bundle_path)]) == 0
    assert f"compared with {what}" in capsys.readouterr().err


def test_a_design_without_build_that_only_asked_itself_fails(
    fresh: BuildConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(fresh.root)]) == 1
    assert "compared with its own answers only" in capsys.readouterr().err
    build(fresh, until="lower")
    shutil.copy2(fresh.build_dir / "vectors.npz", fresh.root / "own.npz")
    # Random vectors stay random in a file of another name.
    assert main(["check", str(fresh.root), "--set", 'vectors.file="own.npz"']) == 1
    assert "compared with its own answers only" in capsys.readouterr().err
    own = VectorSet.load(fresh.root / "own.npz")
    VectorSet(own.images, own.expected).save(fresh.root / "golden.npz")
    assert main(["check", str(fresh.root), "--set", 'vectors.file="golden.npz"']) == 1
    assert f"run `semifreddo build {fresh.root}`" in capsys.readouterr().err


def test_every_link_of_the_page_leads_to_a_file_of_the_build(built: BuildConfig) -> None:
    page = (built.build_dir / "report.html").read_text()
    links = {unquote(link) for link in re.findall(r'href="([^"]*)"', page)}
    assert {"report.json", "net.txt", "rtl", "csim/ladder.json", "tiny.sfb"} <= links
    assert [link for link in links if not (built.build_dir / link).exists()] == []


def test_json_is_the_report_and_quiet_is_quiet(
    built: BuildConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build", str(built.root), "--until", "lower"]
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert out == (built.build_dir / "report.json").read_text()
    assert json.loads(out)["command"] == f"semifreddo {' '.join(arguments)} --json"
    assert err.startswith("[1/10] lower: up to date\n")
    assert main([*arguments, "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.startswith("tiny: ")


def test_a_stage_that_waits_is_one_line(
    built: BuildConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", str(built.root)]) == 0
    out, err = capsys.readouterr()
    lines = err.splitlines()
    for name in WAITING:
        (line,) = [line for line in lines if f"{name}:" in line]
        assert f"] {name}: waits: " in line
    assert f"not run: {', '.join(WAITING)} (--until STAGE" in out
    assert "waits" not in out


def test_nothing_to_do(built: BuildConfig) -> None:
    before = {file: file.stat().st_mtime_ns for file in built.build_dir.rglob("*.json")}
    report = build(built)
    assert all(skipped(report).values())
    after = {file: file.stat().st_mtime_ns for file in built.build_dir.rglob("*.json")}
    assert [file.name for file in before if before[file] != after[file]] == ["report.json"]


def test_only_what_changed_is_done_again(built: BuildConfig) -> None:
    report = build(again(built, "vectors.bundled_count=5"))
    assert skipped(report) == {name: name != "bundle" for name in NAMES}
    assert report.bundle is not None
    report = build(again(built, "task.name=first"), until="lower")
    assert skipped(report) == {"lower": False}


def test_from_and_until(built: BuildConfig) -> None:
    report = build(built, first="csim")
    assert skipped(report) == {name: name in ("lower", "project", *WAITING) for name in NAMES}
    assert report.csim is not None
    assert report.csim.compile_seconds > 0.2  # the compiler was up to date; its time is remembered
    assert list(skipped(build(built, until="project"))) == ["lower", "project"]
    with pytest.raises(ConfigError, match="no stage 'csmi'; did you mean 'csim'"):
        build(built, until="csmi")


def interval_of(config: BuildConfig) -> int:
    """As HLS' own model predicts it."""
    from semifreddo.hls.cycles import interval
    from semifreddo.hls.schedule import ScheduledNet, default_schedule

    net = load_net(config.build_dir / "net.json")
    return interval(ScheduledNet(net, default_schedule(net)))


def test_interrupted_build_goes_on(fresh: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hls4ml", reason="needs hls4ml (extra hls)")

    def stop(*_: object, **__: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("semifreddo.flow.stages.csim.build_csim", stop)
    with pytest.raises(KeyboardInterrupt):
        build(fresh)
    assert not fresh.bundle_path.exists()
    assert list((fresh.build_dir / ".scratch").iterdir()) == []
    report = build(fresh, until="project")
    assert skipped(report) == {"lower": True, "project": True}
    project = report.project
    assert project is not None
    assert project.interval_cycles == interval_of(fresh) and project.task_memory_bram18 == 1


def test_compiler_missing(fresh: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hls4ml", reason="needs hls4ml (extra hls)")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolError, match="no-such-compiler not found; install a C"):
        build(fresh)
    report = BuildReport.load(fresh.build_dir / "report.json")
    assert [stage.name for stage in report.stages] == ["lower", "project"]
    assert report.csim is report.bundle is None
    assert not fresh.bundle_path.exists()


def test_difference_is_named_and_nothing_is_bundled(built: BuildConfig) -> None:
    wrong = spoil(VectorSet.load(built.build_dir / "vectors.npz"))
    wrong.save(built.root / "wrong.npz")
    built.bundle_path.unlink()
    expected = int(wrong.expected[3, 1])
    message = (
        f"rung streamnet differs on 1 of 20 images; first: image 3, output 1: expected {expected}"
    )
    with pytest.raises(LadderError, match=re.escape(message)):
        build(again(built, "vectors.file=wrong.npz"))
    assert not built.bundle_path.exists()
    report = BuildReport.load(built.build_dir / "report.json")
    status = {rung.name: rung for rung in report.ladder}
    assert status["csim"].status == "different"
    assert f"found {expected - 7}" in status["csim"].detail


def test_limits(built: BuildConfig) -> None:
    limits = '\n[limits]\n"task.test_accuracy" = { min = 0.9 }\n"synthesis.lut" = { max = 9 }\n'
    file = built.root / "design.toml"
    file.write_text(file.read_text() + limits)
    with pytest.raises(LimitError, match=r"test_accuracy is 0.75.*synthesis\.lut was not measured"):
        build(again(built))
    assert built.bundle_path.is_file()
    build(again(built), until="csim")  # limits are for whole builds


def test_wrong_vectors(fresh: BuildConfig) -> None:
    config = again(fresh, "vectors.file=v.npz")
    with pytest.raises(DataError, match=r"v\.npz: no such vector file"):
        build(config)
    for vectors, message in (
        (VectorSet(np.zeros((2, 5, 5, 1), int), np.zeros((2, 3), int)), "do not fit a model"),
        (VectorSet(np.zeros((2, 4, 4, 1), int), np.zeros((2, 4), int)), "do not fit a model"),
        (VectorSet(np.zeros((0, 4, 4, 1), int), np.zeros((0, 3), int)), "holds no vectors"),
        (VectorSet(np.full((2, 4, 4, 1), 300), np.zeros((2, 3), int)), "image values 300"),
    ):
        vectors.save(config.root / "v.npz")
        with pytest.raises(DataError, match=message):
            build(config)
        assert not (config.build_dir / "net.json").exists()


def test_labels(fresh: BuildConfig) -> None:
    report = build(again(fresh, 'task.labels=["x", "y", "z"]'), until="lower")
    assert report.task is not None
    assert report.task.labels == ("x", "y", "z")
    with pytest.raises(ConfigError, match=r"names 2 classes, the model was trained on 3 \(a, b"):
        build(again(fresh, 'task.labels=["x", "y"]'))
    with pytest.raises(ConfigError, match="4 labels for a model of 3 outputs"):
        build(again(fresh, 'task.labels=["x", "y", "z", "w"]'))


def test_extra_tasks(built: BuildConfig) -> None:
    other_task(device(built)).save(built.root / "two.json")
    build(again(built, 'task.extra=["two.json"]'))
    with Accelerator.open(built.bundle_path) as accelerator:
        assert accelerator.tasks == ("tiny", "two")
    other_task(device(built), name="tiny").save(built.root / "two.json")
    with pytest.raises(TaskError, match="there is already a task 'tiny'"):
        build(again(built, 'task.extra=["two.json"]'))


def test_every_stage_declares_itself(fresh: BuildConfig) -> None:
    made: set[str] = set()
    for stage in stages(fresh):
        assert stage.summary
        assert set(stage.reads) <= made
        made |= set(stage.writes)
        json.dumps({key: plain(value_of(fresh, key)) for key in stage.decides})


def test_check_design(built: BuildConfig, fresh: BuildConfig) -> None:
    status = {result.name: result.status for result in check_design(built).results}
    assert status["streamnet"] == status["csim"] == "equal"
    result = {item.name: item for item in check_design(fresh).results}["csim"]
    assert result.status == "unavailable"
    assert result.detail.startswith("not built yet; run `semifreddo build")


def test_check_of_a_design_whose_model_has_changed(
    built: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Devices of the model before are not compared with this one's answers, nor called unbuilt."""

    def check(net: StreamNet) -> dict[str, RungResult]:
        named = dataclasses.replace(net, name="tiny")
        monkeypatch.setattr(
            "semifreddo.flow.stages.lower._convert", lambda *_: (named, ("a", "b", "c"), {}, ())
        )
        return {result.name: result for result in check_design(built).results}

    frozen = blended(seed=1)
    for name, result in check(frozen).items():
        if name in ("csim", "rtl"):
            assert result.status == "unavailable"
            assert result.detail == f"was built from another model; `semifreddo build {built.root}`"
    loadable = other_task(blended()).apply(blended())
    found = check(loadable)
    assert {found[name].status for name in ("streamnet", "csim", "rtl")} == {"equal"}, (
        "the same device with other loadable values"
    )
    for damaged in (b"{", b""):
        (built.build_dir / "net.json").write_bytes(damaged)
        assert check(loadable)["csim"].detail.startswith("not built yet; run `semifreddo build")


def test_check_finds_and_names_a_difference(built: BuildConfig) -> None:
    spoil(VectorSet.load(built.build_dir / "vectors.npz")).save(built.root / "wrong.npz")
    report = check_design(again(built, "vectors.file=wrong.npz"))
    with pytest.raises(LadderError, match="image 3, output 1"):
        report.check()


def test_check_task(built: BuildConfig) -> None:
    task = other_task(device(built))
    vectors = vectors_of(task.apply(device(built)))
    check_task(built, task, vectors).check()
    with pytest.raises(LadderError, match="rung streamnet differs"):
        check_task(built, task, spoil(vectors)).check()


def test_check_bundle(built: BuildConfig) -> None:
    report = check_bundle(built.bundle_path)["tiny"]
    assert {result.name for result in report.climbed} == {"streamnet", "csim", "rtl"}
    report.check()
    (built.build_dir / "csim" / "device").write_bytes(b"#!/bin/sh\n")
    report = check_bundle(built.bundle_path)["tiny"]
    assert {result.name for result in report.climbed} == {"streamnet", "rtl"}
    assert any("SHA-256 differs" in result.detail for result in report.results)
    with pytest.raises(BundleError, match="SHA-256 differs"):
        check_bundle(built.bundle_path, transport="csim")


def test_what_design_and_board_tell_is_told_before_stage_one(fresh: BuildConfig) -> None:
    lines: list[str] = []
    for text, error, message in (
        ('task.extra=["none.json"]', TaskError, "none.json: no such task file"),
        ("design.clock_mhz=900", ConfigError, "clock_mhz 900: board pynq_z2 has 1 to 250"),
    ):
        with pytest.raises(error, match=message):
            build(again(fresh, text), progress=lines.append)
    assert not lines
