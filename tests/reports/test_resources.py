from __future__ import annotations

import dataclasses

from reports.hard_report import full_report
from semifreddo.reports.figures import CellFigures, RtlLayerFigures, SynthesisFigures
from semifreddo.reports.resources import Claim, LayerCount, layer_resources, usages

REPORT = full_report()


def layer(name: str, lut: int) -> RtlLayerFigures:
    return RtlLayerFigures(name, "conv", "", 1, 0.5, lut, 10, 0, 0, "")


def test_every_claim_is_a_share_of_the_board() -> None:
    found = {usage.kind: usage for usage in usages(REPORT)}
    assert list(found) == ["LUT", "FF", "DSP", "BRAM18"]
    lut = found["LUT"]
    assert (lut.board, lut.budget) == (230_400, 0.7)
    assert [claim.by.split(",")[0] for claim in lut.claims] == [
        "Verilog",
        "Verilog",
        "HLS core",
        "placed and routed",
    ]
    assert lut.claims[0] == Claim("Verilog, predicted", 1_111_000, 1_111_000 / 230_400)


def test_luts_that_share_one_are_a_claim_of_their_own() -> None:
    assert REPORT.synthesis is not None
    synthesis = dataclasses.replace(REPORT.synthesis, lut=1000, lut_pairs=800)
    found = usages(dataclasses.replace(REPORT, synthesis=synthesis))
    assert [claim.count for claim in found[0].claims[1:3]] == [1000, 800]
    assert found[0].claims[2].by == "Verilog, two in a LUT6_2 where they fit"
    assert len(found[1].claims) == len(found[0].claims) - 1  # it says nothing of flip-flops


def test_predictions_are_in_the_boards_own_luts() -> None:
    assert REPORT.rtl is not None
    rtl = dataclasses.replace(REPORT.rtl, lut=100, part_luts=2.2, layers=(layer("a", 50),))
    report = dataclasses.replace(REPORT, rtl=rtl, synthesis=None)
    assert usages(report)[0].claims[0].count == 220
    assert layer_resources(report)[0].counts[0] == LayerCount("LUT", 110, None, 1.0)
    told = {item.name: getattr(rtl, item.name) for item in dataclasses.fields(rtl)}
    told.pop("part_luts")
    report = dataclasses.replace(REPORT, rtl=type(rtl)(**told), synthesis=None)
    assert usages(report)[0].claims[0].count == 100, "a report that says nothing is of 7 series"


def test_nobody_said_anything_and_a_board_without_dsp() -> None:
    bare = dataclasses.replace(REPORT, rtl=None, synthesis=None, hls=None, bitstream=None)
    assert usages(bare) == [] and layer_resources(bare) == []
    target = dataclasses.replace(REPORT.target, dsp=0)
    without = usages(dataclasses.replace(REPORT, target=target))[2]
    assert without.claims[0] == Claim("Verilog, predicted", 9_100, None)


def test_what_is_measured_wins_and_keeps_the_prediction_beside_it() -> None:
    assert REPORT.rtl is not None
    rtl = dataclasses.replace(REPORT.rtl, layers=(layer("a", 50), layer("b", 30)))
    cells = (CellFigures("a", 60, 10, 2, 0), CellFigures("bus", 120, 0, 0, 0))
    synthesis = SynthesisFigures("Yosys", 180, 10, 2, 0, 1.0, cells)
    found = layer_resources(dataclasses.replace(REPORT, rtl=rtl, synthesis=synthesis))
    assert [entry.name for entry in found] == ["a", "b", "bus"]
    a, b, bus = (entry.counts for entry in found)
    assert a[0] == LayerCount("LUT", 60, 50, 0.5)
    assert a[1] == LayerCount("FF", 10, None, 1.0)
    assert b[0] == LayerCount("LUT", 30, None, 0.25)
    assert bus[0] == LayerCount("LUT", 120, None, 1.0)
