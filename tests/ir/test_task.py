from __future__ import annotations

import dataclasses
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nets import blended, images, powers, signs
from semifreddo.core.errors import NetError, TaskError
from semifreddo.ir.address_map import AddressMap, Region
from semifreddo.ir.serial import net_from_json, net_to_json
from semifreddo.ir.task import Task
from semifreddo.sim import reference


@st.composite
def regions_with_values(draw: st.DrawFn) -> tuple[Region, np.ndarray]:
    bits = draw(st.integers(1, 20))
    signed = draw(st.booleans()) and bits > 1
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    rows, channels = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    values = draw(hnp.arrays(np.int64, (rows, channels), elements=st.integers(low, high)))
    return Region("b", "weight", 0, rows, channels, bits, low, high), values


@given(regions_with_values())
def test_pack_round_trip(case: tuple[Region, np.ndarray]) -> None:
    region, values = case
    words = region.pack(values)
    assert words.shape == (region.words,)
    assert np.array_equal(region.unpack(words), values)


def test_documented_layout() -> None:
    """Row by row, least significant bit first, rows padded to whole words."""
    region = Region("b", "weight", 0, rows=2, channels=9, bits=4, min_value=-8, max_value=7)
    values = np.array([[1, 2, 3, 4, 5, 6, 7, -8, -1], [0] * 9])
    assert [hex(word) for word in region.pack(values)] == ["0x87654321", "0xf", "0x0", "0x0"]


def test_signs_are_refused_unless_they_are_signs() -> None:
    """A 0 or a -2 is refused when it is packed, read or loaded; -1 and 1 have their bits."""
    net = signs()
    (region,) = AddressMap.of(net).regions
    assert [hex(word) for word in AddressMap.of(net).pack(net)] == ["0x1d", "0x1f"]
    assert net.block["w"].bounds()[0].min() == -1 and region.values_text == "-1, 1"
    good = Task.of(net, "good", ("a", "b", "c"))
    for value, why in (
        (0, "value 0 is none of -1, 1"),
        (-2, r"values -2\.\.1 are outside -1\.\.1"),
    ):
        matrix = net.block["w"].matrix.copy()
        matrix[1, 2] = value
        with pytest.raises(TaskError, match=f"w: {why}"):
            region.pack(matrix)
        with pytest.raises(NetError, match=f"w: {why}"):
            net.with_values({"w": matrix})
        with pytest.raises(NetError, match=f"w: {why}.* train it with 1 bit"):
            dataclasses.replace(net.block["w"], raw=matrix)
        words = dataclasses.replace(region, min_value=-2, listed=()).pack(matrix)
        task = dataclasses.replace(good, words=words)
        with pytest.raises(TaskError, match=f"w: {why}"):
            task.apply(net)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"role": "bias", "raw": np.array([1, -1, 1])}, "bias of 2 signed"),
        ({"bits": 3}, "weight of 3 signed"),
        ({"signed": False, "raw": np.ones((2, 3), np.int64)}, "weight of 2 unsigned"),
    ],
)
def test_signs_are_weights_of_two_bits(change: dict[str, Any], what: str) -> None:
    with pytest.raises(NetError, match=f"w: a {what} bits is no block of signs"):
        dataclasses.replace(signs().block["w"], **change)


def test_signs_are_a_part_of_the_device_and_of_its_file() -> None:
    net = signs()
    again = net_from_json(net_to_json(net))
    assert again == net and again.block["w"].signs and " s2 signs frac=0 " in str(net)
    other = dataclasses.replace(net, blocks=(dataclasses.replace(net.block["w"], signs=False),))
    assert other != net and other.device_digest != net.device_digest
    assert "signs" not in net_to_json(other).replace('"name": "signs"', "")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (3, "value 3 is none of -8, -4, -2, -1, 0, 1, 2, 4, 8"),
        (-7, "value -7 is none of"),
        (15, r"values -8\.\.15 are outside -8\.\.8"),
        (-16, r"values -16\.\.4 are outside -8\.\.8"),
    ],
)
def test_powers_are_refused_unless_they_are_powers(value: int, why: str) -> None:
    """When they are packed, read, loaded, or made a block; powers have the bits of integers."""
    net = powers()
    (region,) = AddressMap.of(net).regions
    assert [hex(word) for word in AddressMap.of(net).pack(net)] == ["0x301", "0xbe4"]
    assert np.array_equal(region.unpack(AddressMap.of(net).pack(net)), net.block["w"].matrix)
    good = Task.of(net, "good", ("a", "b", "c"))
    matrix = net.block["w"].matrix.copy()
    matrix[1, 2] = value
    with pytest.raises(TaskError, match=f"w: {why}.*; retarget"):
        region.pack(matrix)
    with pytest.raises(NetError, match=f"w: {why}"):
        net.with_values({"w": matrix})
    with pytest.raises(NetError, match=f"w: {why}.* sums of at most 1 .* train it"):
        dataclasses.replace(net.block["w"], raw=matrix)
    words = dataclasses.replace(region, min_value=-16, max_value=15, listed=()).pack(matrix)
    with pytest.raises(TaskError, match=f"w: {why}"):
        dataclasses.replace(good, words=words).apply(net)


def test_sums_of_two_powers() -> None:
    block = dataclasses.replace(powers().block["w"], terms=2)
    assert block.allowed == (
        *(-12, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1),
        *(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12),
    )
    wide = dataclasses.replace(block, bits=8)
    sums = {one + other for one, other in product(powers_of(7), repeat=2)}
    assert set(wide.allowed) == {value for value in sums if abs(value) <= 96}
    few = rf"value 11 is none of -96, -80, -72, \.\.\., 96 \({len(wide.allowed)} values\)"
    with pytest.raises(NetError, match=few):
        dataclasses.replace(wide, raw=np.full((2, 3), 11))


def powers_of(count: int) -> set[int]:
    """Zero, and signed powers of two."""
    return {0} | {sign << exponent for sign in (-1, 1) for exponent in range(count)}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"role": "bias", "raw": np.array([1, -1, 1])}, "bias of 5 signed bits is no sum of 1"),
        ({"signed": False, "raw": np.ones((2, 3), np.int64)}, "weight of 5 unsigned bits"),
        ({"terms": 3}, "no sum of 3 powers of two; such sums are signed weights of 1 to 2 terms"),
        ({"terms": -1}, "no sum of -1 powers"),
        (
            {"bits": 2, "signs": True, "raw": np.ones((2, 3), np.int64)},
            "weight of 2 signed bits is no sum",
        ),
    ],
)
def test_what_cannot_be_powers(change: dict[str, Any], what: str) -> None:
    with pytest.raises(NetError, match=f"w: .*{what}"):
        dataclasses.replace(powers().block["w"], **change)


def test_powers_are_a_part_of_the_device_and_of_its_file() -> None:
    net = powers()
    again = net_from_json(net_to_json(net))
    assert again == net and again.block["w"].terms == 1 and " s5 terms=1 frac=0 " in str(net)
    other = dataclasses.replace(net, blocks=(dataclasses.replace(net.block["w"], terms=0),))
    assert other != net and other.device_digest != net.device_digest
    assert "terms" not in net_to_json(other)


@pytest.mark.parametrize("terms", [1, 2])
def test_all_powers_are_drawn(terms: int) -> None:
    block = dataclasses.replace(powers().block["w"], terms=terms)
    found = block.drawn(np.random.default_rng(0), (40, 40))
    assert set(found.ravel().tolist()) == set(block.allowed)
    assert (block.bounds()[0] == block.allowed[0]).all()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_drawn_may_be_loaded(seed: int) -> None:
    block = signs().block["w"]
    assert set(block.drawn(np.random.default_rng(seed), (9, 9)).ravel().tolist()) == {-1, 1}


def test_map_covers_every_word_once() -> None:
    net = blended()
    address_map = AddressMap.of(net)
    offset = 0
    for region in address_map.regions:
        assert region.offset_words == offset
        offset += region.words
    assert offset == address_map.words == len(address_map.pack(net))


def test_task_round_trip_changes_the_answers_and_back(tmp_path: Path) -> None:
    first, second = blended(), blended()
    second = second.with_values(
        {
            b.name: np.roll(b.matrix[:, b.configurable_channels], 1)
            for b in second.configurable_blocks
        }
    )
    Task.of(second, "second", ("a", "b")).save(tmp_path / "task.json")
    loaded = Task.load(tmp_path / "task.json")
    assert loaded.labels == ("a", "b")
    became = loaded.apply(first)
    assert became == second
    batch = images(first, 20)
    assert not np.array_equal(reference.run(first, batch), reference.run(second, batch))


def test_task_of_another_device_is_refused() -> None:
    with pytest.raises(TaskError, match=r"was made for device blended .* retarget it"):
        Task.of(blended(seed=1), "other", ("a",)).apply(blended())


@pytest.mark.parametrize("labels", [(), ("a", "b", "c", "d")])
def test_label_count(labels: tuple[str, ...]) -> None:
    with pytest.raises(TaskError, match=f"{len(labels)} labels for a device of 3 outputs"):
        Task.of(blended(), "t", labels)


def test_exactly_one_label_too_many_for_the_device() -> None:
    """A task file may have been made for a device of more outputs."""
    net = blended()
    task = Task.of(net, "t", ("a", "b", "c"))
    assert task.apply(net) == net
    four = dataclasses.replace(task, labels=("a", "b", "c", "d"))
    with pytest.raises(TaskError, match=r"task 't': 4 labels for a device of 3 outputs"):
        four.apply(net)
    with pytest.raises(TaskError, match="4 labels for a device of 3 outputs"):
        four.check(net.name, net.device_digest, 3)
    four.check(net.name, net.device_digest, 4)


def test_several_outputs_mean_one_label(tmp_path: Path) -> None:
    net = blended()
    task = Task.of(net, "t", ("a", "b"), outputs=(1, 0, 1))
    assert task.used_outputs == 3
    raw = np.array([[5, 1, 5], [0, 7, 7], [-9, -8, -7]])
    assert task.answers(raw).tolist() == [1, 0, 1]
    task.save(tmp_path / "task.json")
    assert '"format": "semifreddo-task/2"' in task.to_json()
    loaded = Task.load(tmp_path / "task.json")
    assert (loaded.labels, loaded.outputs) == (("a", "b"), (1, 0, 1))
    assert np.array_equal(loaded.answers(raw), task.answers(raw))


@given(st.permutations([0, 1, 2]))
def test_outputs_in_another_order(order: list[int]) -> None:
    raw = np.random.default_rng(0).integers(-9, 9, (30, 3))
    plain, mapped = (Task.of(blended(), "t", ("a", "b", "c"), outputs=o) for o in ((), order))
    assert np.array_equal(mapped.answers(raw), np.array(order)[plain.answers(raw)])


def test_outputs_that_mean_no_label() -> None:
    for outputs in ((0, 0, 0), (0, 2), (0, -1, 1)):
        with pytest.raises(TaskError, match=r"expected every one of 0\.\.1"):
            Task.of(blended(), "t", ("a", "b"), outputs=outputs)
    with pytest.raises(TaskError, match="4 outputs with a label for a device of 3 outputs"):
        Task.of(blended(), "t", ("a", "b"), outputs=(0, 1, 0, 1))
    text = Task.of(blended(), "t", ("a", "b"), outputs=(0, 1, 0)).to_json()
    for wrong in ("0.5", '"0"', "true"):
        with pytest.raises(TaskError, match="not indices of labels"):
            Task.from_json(text.replace('"outputs": [\n  0', f'"outputs": [\n  {wrong}'))
    with pytest.raises(TaskError, match=r"KeyError\('outputs'\)"):
        Task.from_json(TEXT.replace("task/1", "task/2"))


def test_wrong_number_of_words() -> None:
    task = Task.of(blended(), "t", ("a",))
    with pytest.raises(TaskError, match="the device needs"):
        dataclasses.replace(task, words=task.words[:-1]).apply(blended())


def test_value_out_of_range() -> None:
    net = blended()
    task = Task.of(net, "t", ("a",))
    words = task.words.copy()
    words[AddressMap.of(net).region["mix.alpha"].offset_words] = 0xFFFF
    with pytest.raises(TaskError, match=r"mix\.alpha: values 15\.\.15 are outside 0\.\.8"):
        dataclasses.replace(task, words=words).apply(net)


def test_padding_bits_must_be_zero() -> None:
    net = blended()
    task = Task.of(net, "t", ("a",))
    words = task.words.copy()
    words[0] |= 1 << 31
    with pytest.raises(TaskError, match="padding bits"):
        dataclasses.replace(task, words=words).apply(net)


TEXT = Task.of(blended(), "t", ("a", "b")).to_json()


@given(st.integers(0, len(TEXT) - 1), st.text(max_size=3))
def test_damaged_file_is_refused_or_harmless(position: int, junk: str) -> None:
    try:
        task = Task.from_json(TEXT[:position] + junk + TEXT[position + 1 :])
    except TaskError:
        return
    assert np.array_equal(task.words, Task.from_json(TEXT).words)


def test_damaged_words_are_named() -> None:
    data = json.loads(TEXT)
    data["words"] = "AAAA" + data["words"][4:]
    with pytest.raises(TaskError, match="words do not match their digest"):
        Task.from_json(json.dumps(data))


def test_what_is_no_task_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "task.json"

    def refusal() -> str:
        with pytest.raises(TaskError) as error:
            Task.load(file)
        return str(error.value).removeprefix(f"{file}: ")

    assert refusal() == "no such task file"
    file.write_bytes(b"\xff\xfe")
    assert refusal() == "not a semifreddo-task/1 file (not text)"
    monkeypatch.setattr("semifreddo.ir.task.MAX_FILE_BYTES", 1 << 20)
    file.write_text(TEXT.ljust(1 << 20))
    assert Task.load(file).name == Task.from_json(TEXT).name
    file.write_text(TEXT.ljust((1 << 20) + 1))
    assert refusal() == "larger than 1 MiB, so not a task file"


def test_a_metric_that_is_no_number() -> None:
    metrics = {"fine": 0.5, "loss": float("nan"), "worse": float("inf")}
    with pytest.raises(TaskError) as error:
        Task.of(blended(), "t", ("a", "b", "c"), metrics=metrics)
    assert str(error.value) == "task 't': metric loss is no finite number"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "has no labels; name at least one class"),
        (["a", " "], "label 1 is empty; give every class a name"),
        (["", " ", "c"], "label 0 is empty; give every class a name"),
        (["a", "b", "a", "b"], "label 'a' stands twice; give every class its own name"),
        (["a", "b", "b", "a"], "label 'b' stands twice"),
    ],
)
def test_labels_that_cannot_be_told_apart(labels: list[str], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        dataclasses.replace(Task.from_json(TEXT), labels=tuple(labels))
    data = json.loads(TEXT) | {"labels": labels}
    with pytest.raises(TaskError, match=message):
        Task.from_json(json.dumps(data))


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace('"metrics": {}', '"metrics": {"x": 1' + "0" * 400 + "}"),
        TEXT.replace('"metrics": {}', '"metrics": {"x": NaN}'),
        TEXT.replace('"metrics": {}', '"metrics": ' + '{"x": ' * 5000),
        "[" * 100_000,
    ],
)
def test_hostile_numbers_and_depth(text: str) -> None:
    assert text != TEXT
    with pytest.raises(TaskError):
        Task.from_json(text)


def test_every_output_of_a_model_has_its_own_answer(tmp_path: Path) -> None:
    task = Task.of(blended(), "t", ("cat", "dog", "big"), heads=(("animal", 2), ("size", 1)))
    raw = np.array([[5, 1, 9], [0, 7, -7], [-9, -9, -7]])
    assert task.answers(raw).tolist() == [-1, -1, -1]
    found = {name: labels.tolist() for name, labels in task.answers_of_heads(raw).items()}
    assert found == {"animal": [0, 1, 0], "size": [2, 2, 2]}
    task.save(tmp_path / "task.json")
    assert '"format": "semifreddo-task/3"' in task.to_json()
    loaded = Task.load(tmp_path / "task.json")
    assert (loaded.heads, loaded.labels) == (task.heads, task.labels)


@pytest.mark.parametrize(
    ("heads", "reason"),
    [
        ((("one", 3),), "are no two or more outputs"),
        ((("one", 1), ("one", 2)), "are no two or more outputs"),
        ((("one", 0), ("two", 3)), "are no two or more outputs"),
        ((("one", 1), ("two", 1)), "3 labels for outputs of 1, 1 channels; name each channel"),
    ],
)
def test_heads_that_do_not_fit_the_labels(heads: tuple[tuple[str, int], ...], reason: str) -> None:
    with pytest.raises(TaskError, match=reason):
        Task.of(blended(), "t", ("a", "b", "c"), heads=heads)
    text = Task.of(blended(), "t", ("a", "b", "c"), heads=(("one", 1), ("two", 2))).to_json()
    with pytest.raises(TaskError, match="its heads are no names and numbers"):
        Task.from_json(text.replace('"one",\n   1', '"one",\n   "1"'))


def test_words_that_are_no_base64_are_refused() -> None:
    """Even where what is left of them has the right digest."""
    net = blended()
    data = json.loads(Task.of(net, "task", ("a", "b", "c")).to_json())
    data["words"] = f"{data['words'][:4]}!{data['words'][4:]}"
    with pytest.raises(TaskError, match="task: "):
        Task.from_json(json.dumps(data))
