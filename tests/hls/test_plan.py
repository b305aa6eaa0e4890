"""The written project: its files, its text, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from golden_files import updating
from hls.builders import Builder, random_images
from nets import blended, powers, signs
from semifreddo.core.errors import ProjectError
from semifreddo.core.project import ProjectPlan
from semifreddo.core.vectors import VectorSet
from semifreddo.hls import plan_project
from semifreddo.hls.names import identifiers
from semifreddo.hls.schedule import ScheduledNet, default_schedule
from semifreddo.hls.texts import task_memory_bram18
from semifreddo.ir.net import Repeat
from semifreddo.sim import reference

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

from hls4ml.model import ModelGraph

GOLDEN = Path(__file__).parents[1] / "golden" / "hls"
GOLDEN_FILES = (
    "firmware/blended.cpp",
    "firmware/blended.h",
    "firmware/parameters.h",
    "firmware/defines.h",
    "ADDRESS_MAP.md",
    "README.md",
    "semifreddo.json",
    "project.tcl",
)


def plan(net=None, **options) -> ProjectPlan:  # type: ignore[no-untyped-def]
    net = blended() if net is None else net
    options = {"part": "xc7z020clg400-1", "clock_ns": 10.0} | options
    return plan_project(ScheduledNet(net, default_schedule(net)), **options)


@pytest.mark.parametrize("tool", ["vivado", "vitis"])
def test_the_text_is_the_golden_text(tool: str) -> None:
    """``SEMIFREDDO_UPDATE_GOLDEN=1`` writes the golden files anew."""
    net = blended()
    files = plan(net, tool=tool).files
    for name in GOLDEN_FILES:
        path = GOLDEN / tool / name.replace("/", "-")
        text = re.sub(rb'("(?:semifreddo|hls4ml)": )"[^"]*"', rb'\1"VERSION"', files[name])
        text = text.replace(net.device_digest.encode(), b"DEVICE_DIGEST")
        if updating():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        assert path.is_file(), f"no golden file {path.name}; set SEMIFREDDO_UPDATE_GOLDEN=1"
        assert text.decode() == path.read_text(encoding="utf-8"), name


def test_a_plan_is_the_same_every_time_and_names_no_place() -> None:
    one, other = plan(), plan()
    assert one.digest == other.digest
    home = str(Path.home()).encode()
    package = str(Path(__file__).parents[2]).encode()
    for name, data in one.files.items():
        assert b"/tmp/" not in data and package not in data, name
        assert home == b"/" or home not in data, name


def test_the_tool_decides_the_scripts() -> None:
    vivado, vitis = plan(tool="vivado").files, plan(tool="vitis", part="xczu7ev", clock_ns=4).files
    assert b'set backend "vivado"' in vivado["project.tcl"]
    assert b'set backend "vitis"' in vitis["project.tcl"]
    assert b'set part "xczu7ev"' in vitis["project.tcl"]
    assert b"set clock_period 4" in vitis["project.tcl"]
    assert b"with Vitis HLS" in vitis["README.md"] and b"with Vivado HLS" in vivado["README.md"]


@pytest.mark.parametrize("tool", ["vivado", "vitis"])
def test_there_is_one_way_to_run_the_tools(tool: str) -> None:
    assert [name for name in plan(tool=tool).files if name.endswith((".tcl", ".sh"))] == [
        "project.tcl"
    ]


def test_the_test_bench_writes_no_log_into_its_own_folder() -> None:
    """The folder's content decides whether HLS, which takes hours, runs again."""
    code = plan().files["blended_test.cpp"].decode()
    assert re.findall(r'ofstream log\("([^"]*)"\)', code) == [
        "rtl_cosim_results.log",
        "csim_results.log",
    ]


def test_frozen_channels_have_no_multiplier() -> None:
    code = plan().files["firmware/nnet_utils/nnet_code_gen.h"].decode()
    frozen = re.findall(r"static void frozen_0\(const [^*]*?\) \{(.*?)\n    \}", code, re.DOTALL)
    assert len(frozen) == 2
    assert not any("*" in body for body in frozen)
    assert all("<<" in body for body in frozen)


def test_vectors_and_task_are_test_data() -> None:
    net = blended()
    images = random_images(net, 3)
    vectors = VectorSet(images, reference.run(net, images))
    with_data, without = plan(vectors=vectors).files, plan().files
    extra = {name for name in with_data if with_data[name] != without.get(name)}
    assert extra == {"tb_data/images.dat", "tb_data/expected.dat"}
    assert np.array_equal(
        np.loadtxt(with_data["tb_data/images.dat"].decode().splitlines(), dtype=int),
        images.reshape(3, -1),
    )
    words = np.arange(16, dtype=np.uint32)
    assert plan(task_words=words).files["tb_data/task_words.dat"].split() == [
        str(word).encode() for word in words
    ]


def test_the_description_is_for_programs() -> None:
    net = blended()
    data = json.loads(plan(net).files["semifreddo.json"])
    assert data["device_digest"] == net.device_digest
    assert (data["task_words"], data["task_memory_bram18"]) == (16, 1)
    assert [task_memory_bram18(words) for words in (0, 512, 513, 36_864)] == [0, 1, 2, 128]
    assert [region["block"] for region in data["address_map"]] == [
        "adapter.weight",
        "adapter.bias",
        "mix.alpha",
        "head.weight",
    ]
    assert data["schedule"]["layers"]["core"]["frozen"] == "adders"
    assert not any("values" in region for region in data["address_map"])


def test_a_program_and_a_person_are_told_which_values_are_signs() -> None:
    files = plan(signs()).files
    (region,) = json.loads(files["semifreddo.json"])["address_map"]
    assert (region["min"], region["max"], region["values"]) == (-1, 1, [-1, 1])
    assert b"| -1, 1 |" in re.sub(rb" +", b" ", files["ADDRESS_MAP.md"])


def test_a_program_and_a_person_are_told_which_values_are_powers() -> None:
    files = plan(powers()).files
    (region,) = json.loads(files["semifreddo.json"])["address_map"]
    assert (region["min"], region["max"]) == (-8, 8)
    assert region["values"] == [-8, -4, -2, -1, 0, 1, 2, 4, 8]
    assert b"| -8, -4, -2, -1, 0, 1, 2, 4, 8 |" in re.sub(rb" +", b" ", files["ADDRESS_MAP.md"])


def test_a_repeat_is_named_in_the_readme() -> None:
    b = Builder((4, 4, 3))
    b.conv("one", "image", 3, shared="block")
    b.conv("two", "one", 3, shared="block")
    b.repeats.append(Repeat("tail", (("one",), ("two",))))
    files = plan(b.net()).files
    assert b"The repeated block `tail` is unrolled: each of its 2 passes" in files["README.md"]
    assert files["firmware/net.cpp"].count(b".write(task_memory[") == 2


def test_what_is_refused() -> None:
    with pytest.raises(ProjectError, match=r"^blended: tool 'quartus' is unknown; use 'vivado' or"):
        plan(tool="quartus")
    with pytest.raises(ProjectError, match=r"^blended: clock_ns 0 is not a positive period$"):
        plan(clock_ns=0)
    with pytest.raises(ProjectError, match=r"^blended: task has 3 words, the device needs 16$"):
        plan(task_words=np.zeros(3, np.uint32))
    b = Builder((4, 4, 1))
    b.conv("conv", "image", 1)
    with pytest.raises(ProjectError, match=r"^net name 'main' is a word of C, C\+\+ or .*; rename"):
        plan(b.net("main"))


@pytest.mark.parametrize("change", ["type", "name"])
def test_what_hls4ml_makes_of_the_graph_is_checked(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release of hls4ml that renames or widens a stream would build another network."""
    make = ModelGraph.from_layer_list

    def changed(*arguments: object) -> ModelGraph:
        graph = make(*arguments)
        variable = list(graph.get_layers())[-1].get_output_variable()
        if change == "type":
            variable.type.precision.width += 1
        else:
            variable.name = "other"
        return graph

    monkeypatch.setattr(ModelGraph, "from_layer_list", changed)
    with pytest.raises(AssertionError):
        plan()


def test_any_layer_name_becomes_an_identifier() -> None:
    names = [
        "input",
        "cores.0.conv",
        "cores/0/conv",
        "cores_0_conv",
        "0",
        "for",
        "Result",
        "日",
        "_",
    ]
    found = identifiers(names)
    assert len({value.lower() for value in found.values()}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z]\w*", value, re.ASCII) for value in found.values())
    assert found["cores.0.conv"] == "cores_0_conv"
    assert found["input"] == "input_2"
