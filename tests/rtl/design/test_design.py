"""What the generator writes, without simulating it."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files

import pytest

from nets import blended
from rtl.random_nets import other_task, random_net
from semifreddo.core.errors import ConfigError, ProjectError
from semifreddo.ir.bus import REGISTER_PORTS
from semifreddo.ir.layers import Conv
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.components.verilog import identifier, quoted
from semifreddo.rtl.design.design import make_design, module_names
from semifreddo.rtl.units.kinds import HARDWARE

NET = blended()


def test_same_input_same_bytes() -> None:
    assert make_design(NET).files == make_design(blended()).files


@pytest.mark.parametrize("seed", [1, 5, 8])
def test_loadable_values_do_not_appear(seed: int) -> None:
    net, schedule = random_net(seed)
    assert make_design(net, schedule).files == make_design(other_task(net, 1), schedule).files


def test_every_file_is_one_module_named_like_it() -> None:
    for name, text in make_design(NET).files.items():
        assert text.count("\nmodule ") == 1
        assert f"\nmodule {name.removesuffix('.sv')} " in text
        assert "`default_nettype none" in text


def test_names_carry_the_layers() -> None:
    assert identifier("net_core.0.conv") == "net_core_0_conv"
    assert identifier("net_a_b", {"net_a_b"}) == "net_a_b_2"
    assert identifier("always_ff") == "always_ff_2"
    assert quoted('a"b\\c%d\n') == '"a_b_c_d_"'


def test_no_layer_has_the_name_of_what_belongs_to_another() -> None:
    layers = ["a_graph", "a_rom", "a_graph_words", "a", "a.b", "a_b", "top", "a_2"]
    names = module_names("net", layers)
    assert list(names) == layers
    assert [names[layer] for layer in ("a_graph", "a", "a_b", "top")] == [
        *("net_a_graph", "net_a_2", "net_a_b_2", "net_top_2")
    ]
    ends = ("", "_graph", "_graph_words", "_rom")
    made = [f"{name}{end}" for name in names.values() for end in ends]
    assert len(set(made)) == len(made)


def test_more_rows_per_cycle_take_fewer_cycles() -> None:
    cycles = [
        make_design(NET, RtlSchedule({"adapter": Choice(rows)})).cycles_per_image
        for rows in (1, 2, 3, 9)
    ]
    assert cycles == [16 * 9, 16 * 5, 16 * 3, 16]
    assert make_design(NET).bottleneck == "adapter"


def test_schedule_errors() -> None:
    for layers, message in (
        ({"nothing": Choice()}, "blended has no layer 'nothing' with a choice"),
        ({"pool": Choice(2)}, r"layer 'pool' \(AvgPool\) has only channels_per_cycle to choose"),
        ({"core": Choice(10)}, "layer 'core': rows_per_cycle 10 is outside 1..9"),
        ({"core": Choice(digit_bits=-1)}, "layer 'core': digit_bits -1 is negative; use 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_design(NET, RtlSchedule(layers))


def test_padding_as_large_as_the_kernel_is_refused() -> None:
    conv = NET.layers[0]
    assert isinstance(conv, Conv)
    wide = replace(conv, padding=(3, 1, 0, 1), output=replace(conv.output, shape=(5, 4, 4)))
    net = replace(
        NET,
        layers=(wide,),
        blocks=(NET.block["core.weight"],),
    )
    with pytest.raises(ProjectError, match="core: padding 3 above and 1 left is not smaller than"):
        make_design(net)


def test_no_layer_kind_is_forgotten() -> None:
    assert HARDWARE.missing == ()


@pytest.mark.parametrize("name", ["sf_registers.sv", "sf_serial.sv"])
def test_the_library_has_the_ports_of_the_bus(name: str) -> None:
    """The bridge drives what the registers take: names and widths are those of ``ir/bus.py``."""
    text = (files("semifreddo.rtl") / "library" / name).read_text()
    found = re.findall(r"^    (input|output) +(?:wire|reg) *(?:\[ *(\d+):0\])? (\w+)", text, re.M)
    ports = {port: (direction, int(high or 0) + 1) for direction, high, port in found}
    turned = {"input": "output", "output": "input"} if name == "sf_serial.sv" else {}
    for port, bus in REGISTER_PORTS.items():
        assert ports[port] == (turned.get(bus.direction, bus.direction), bus.bits)
