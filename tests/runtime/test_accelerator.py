from __future__ import annotations

import asyncio
import dataclasses
import subprocess  # noqa: TID251 -- a fresh interpreter is what is tested
import sys
import threading
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeDevice, bundle_of, other_task, vectors_of
from nets import blended, powers, signs
from semifreddo.core.errors import (
    DataError,
    TaskError,
    TransportError,
    TransportTimeoutError,
)
from semifreddo.core.fixed import FixedType
from semifreddo.core.pixels import reads_pixels
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.layers import Stream
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.runtime import Accelerator, Bundle, TransportFile, write_bundle
from semifreddo.runtime.results import Predictions
from semifreddo.sim import reference

NET = blended()
VECTORS = vectors_of(NET, 20)


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice(NET)


@pytest.fixture
def accelerator(device: FakeDevice) -> Iterator[Accelerator]:
    with Accelerator.open(bundle_of(NET), device, timeout_s=2.0) as opened:
        yield opened


def test_predict_equals_reference(accelerator: Accelerator) -> None:
    answers = accelerator.predict(VECTORS.images.astype(np.uint8))
    assert np.array_equal(answers.raw, VECTORS.expected)
    assert answers.raw.dtype == np.int64
    assert np.array_equal(answers.logits, VECTORS.expected / 128)
    assert np.array_equal(answers.indices, VECTORS.expected.argmax(axis=1))
    assert answers.labels[3] == f"class {answers.indices[3]}"
    assert answers[3].label == answers.labels[3]
    assert answers.task == "shapes"


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_any_batch(accelerator: Accelerator, count: int) -> None:
    answers = accelerator.predict(VECTORS.images[:count])
    assert np.array_equal(answers.raw, VECTORS.expected[:count])
    assert answers.raw.shape == (count, 3)
    assert len(answers) == len(answers.labels) == count


def test_large_batches_are_split(accelerator: Accelerator, device: FakeDevice) -> None:
    images = np.tile(VECTORS.images, (60, 1, 1, 1))
    answers = accelerator.predict(images)
    assert device.batches == [512, 512, 176]
    assert np.array_equal(answers.raw, np.tile(VECTORS.expected, (60, 1)))


def test_one_channel_may_be_left_out(accelerator: Accelerator) -> None:
    assert np.array_equal(accelerator.predict(VECTORS.images[..., 0]).raw, VECTORS.expected)


def test_exact_floats(accelerator: Accelerator) -> None:
    assert np.array_equal(accelerator.predict(VECTORS.images / 256).raw, VECTORS.expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 5, 4, 1), np.uint8), r"shape \(2, 5, 4, 1\), expected \(n, 4, 4, 1\)$"),
        (np.zeros((2, 1, 1, 4), np.uint8), r"shape \(2, 1, 1, 4\), expected \(n, 4, 4, 1\)$"),
        (np.zeros((4, 4, 1), np.uint8), r"one image needs a leading axis: images\[None\]"),
        (np.zeros((4, 4), np.uint8), "one image needs a leading axis"),
        (
            np.zeros((2, 1, 4, 4), np.uint8),
            r"channels come last; if yours come first, give layout='nchw'",
        ),
        (np.full((1, 4, 4, 1), 256), r"values 256\.\.256 are outside 0\.\.255"),
        (np.full((1, 4, 4, 1), -1), r"values -1\.\.-1 are outside 0\.\.255"),
        (np.full((1, 4, 4, 1), 0.1), r"0\.1 is not a multiple of 2\*\*-8"),
        (np.full((1, 4, 4, 1), 1.0), r"real values 1\.\.1 are outside 0\.\.0\.996094"),
        (np.full((1, 4, 4, 1), np.nan), "NaN or infinite"),
        (np.full((1, 4, 4, 1), np.inf), "NaN or infinite"),
        (np.zeros((1, 4, 4, 1), bool), "type bool cannot be packed"),
        (np.zeros((1, 4, 4, 1), complex), "type complex128 cannot be packed"),
        (np.full((1, 4, 4, 1), "a"), "cannot be packed"),
        (np.full((1, 4, 4, 1), None), "type object cannot be packed"),
        ([[1, 2], [3]], r"not a rectangular array|shape \(2,\)"),
        (7, r"shape \(\), expected"),
    ],
)
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # by NumPy before 1.24
def test_images_that_do_not_fit(
    accelerator: Accelerator, device: FakeDevice, images: object, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        accelerator.predict(images)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert device.batches == []
    assert accelerator.check().ok


def test_results_are_copies(accelerator: Accelerator) -> None:
    first = accelerator.predict(VECTORS.images)
    first.raw[:] = -1
    one = accelerator.predict(VECTORS.images)[0]
    one.raw[:] = -1
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)


def test_caller_images_are_not_changed(accelerator: Accelerator) -> None:
    images = VECTORS.images.astype(np.uint8)
    images.flags.writeable = False
    accelerator.predict(images)
    assert np.array_equal(images, VECTORS.images)


def test_stream_keeps_order_and_is_bounded(accelerator: Accelerator, device: FakeDevice) -> None:
    taken = 0

    def source() -> Iterator[np.ndarray]:
        nonlocal taken
        for image in VECTORS.images:
            taken += 1
            yield image

    answers = accelerator.stream(source(), batch=6)
    assert taken == 0
    first = next(answers)
    assert taken == 6
    rest = list(answers)
    assert device.batches == [6, 6, 6, 2]
    assert [tuple(a.raw) for a in (first, *rest)] == [tuple(row) for row in VECTORS.expected]


def test_stream_of_nothing_and_of_nonsense(accelerator: Accelerator) -> None:
    assert list(accelerator.stream([])) == []
    with pytest.raises(DataError, match=r"batch is 0, expected 1\.\.512"):
        accelerator.stream([], batch=0)
    answers = accelerator.stream([VECTORS.images[0], VECTORS.images[1], np.zeros(3)], batch=2)
    assert len([next(answers), next(answers)]) == 2
    with pytest.raises(DataError, match="image 2 of the stream: images: shape"):
        next(answers)
    assert accelerator.check().ok


def test_load_task_changes_the_answers(accelerator: Accelerator, tmp_path: Path) -> None:
    task = other_task(NET)
    task.save(tmp_path / "two.json")
    assert accelerator.load_task(tmp_path / "two.json").name == "two"
    answers = accelerator.predict(VECTORS.images)
    expected = reference.run(task.apply(NET), VECTORS.images)
    assert np.array_equal(answers.raw, expected)
    assert np.array_equal(answers.indices, expected[:, :2].argmax(axis=1))  # two labels only
    assert set(answers.labels) <= {"a", "b"}
    assert accelerator.tasks == ("shapes", "two")
    accelerator.load_task("shapes")
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)
    accelerator.load_task("two")
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, expected)


def test_task_that_does_not_fit(accelerator: Accelerator, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    task = other_task(NET)
    short = type(task)("s", task.net, task.device_digest, ("a",), task.words[:-1])
    for bad, message in (
        (other_task(blended(seed=3)), "was made for device blended"),
        (short, "the device needs"),
        (tmp_path / "none.json", "no such task file"),
        (
            tmp_path / "bad.json",
            "not a semifreddo-task/1, semifreddo-task/2 or semifreddo-task/3",
        ),
        ("nobody", "no task is named 'nobody'; known: shapes"),
    ):
        with pytest.raises(TaskError, match=message):
            accelerator.load_task(bad)
    assert accelerator.task.name == "shapes"
    assert accelerator.check().ok


def test_timeout_names_the_stream_and_leaves_it_usable(
    accelerator: Accelerator, device: FakeDevice
) -> None:
    device.stall = "logits"
    with pytest.raises(TransportTimeoutError, match="stream 'logits' stalled for 2 s"):
        accelerator.predict(VECTORS.images)
    device.stall = ""
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)


def test_failed_task_load_goes_back_to_the_task_before(
    accelerator: Accelerator, device: FakeDevice
) -> None:
    device.stall_loading = True
    with pytest.raises(TransportTimeoutError):
        accelerator.load_task(other_task(NET))
    assert accelerator.task.name == "shapes"
    device.stall_loading = False
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)
    assert device.loads == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros((2, 3), np.int64), r"answered int64 \(2, 3\) to 20 images"),
        (np.zeros((20, 3)), r"answered float64"),
        (np.full((20, 3), 1 << 40), "outside s20"),
    ],
)
def test_nonsense_answers(
    accelerator: Accelerator, device: FakeDevice, answer: np.ndarray, message: str
) -> None:
    device.spoil = answer
    with pytest.raises(TransportError, match=message):
        accelerator.predict(VECTORS.images)


def test_check_reports_the_first_difference(accelerator: Accelerator) -> None:
    report = accelerator.check()
    assert report.ok
    assert str(report) == "8 of 8 images equal"
    expected = VECTORS.expected.copy()
    expected[4, 1] += 5
    expected[9, 0] -= 1
    report = accelerator.check(VectorSet(VECTORS.images, expected))
    assert not report.ok
    assert (report.images, report.mismatched_images, report.mismatched_values) == (20, 2, 2)
    was = int(VECTORS.expected[4, 1])
    assert str(report.first) == f"image 4, output 1: expected {was + 5}, got {was}"
    assert str(report).startswith("2 of 20 images differ (2 values); first: image 4")


def test_check_of_nothing_is_not_ok(accelerator: Accelerator, tmp_path: Path) -> None:
    report = accelerator.check(VECTORS.head(0))
    assert not report.ok
    assert "nothing to compare" in str(report)
    with pytest.raises(DataError, match="no such vector file"):
        accelerator.check(tmp_path / "none.npz")
    with pytest.raises(DataError, match="2 expected outputs per image, the device has 3"):
        accelerator.check(VectorSet(VECTORS.images, VECTORS.expected[:, :2]))
    accelerator.load_task(other_task(NET))
    with pytest.raises(DataError, match="no vectors for task 'two'"):
        accelerator.check()


def test_threads_share_it(accelerator: Accelerator) -> None:
    """Every answer is one task's, whoever loads what meanwhile; FakeDevice asserts the lock."""
    expected = {
        "shapes": VECTORS.expected,
        "two": reference.run(other_task(NET).apply(NET), VECTORS.images),
    }
    accelerator.load_task(other_task(NET))
    failures: list[object] = []

    def predict() -> None:
        for _ in range(20):
            answers = accelerator.predict(VECTORS.images)
            if not np.array_equal(answers.raw, expected[answers.task]):
                failures.append(answers.task)

    def switch() -> None:
        for index in range(20):
            accelerator.load_task(("shapes", "two")[index % 2])

    threads = [threading.Thread(target=work) for work in (predict, predict, switch)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.timeout(60)
def test_a_task_gets_its_turn_among_predictions(
    device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked before it is served before it, and nobody else."""
    accelerator = Accelerator.open(bundle_of(NET), device)
    accelerator.load_task(other_task(NET))
    served: list[int] = []
    load = device.load

    def noted(words: np.ndarray, timeout_s: float) -> None:
        served.append(len(device.batches))
        load(words, timeout_s)

    monkeypatch.setattr(device, "load", noted)
    turns = accelerator._lock
    ask = [partial(accelerator.predict, VECTORS.images)] * 6
    ask.insert(3, partial(accelerator.load_task, "shapes"))
    threads = [threading.Thread(target=work) for work in ask]
    with turns:
        for count, thread in enumerate(threads, 1):
            thread.start()
            while len(turns._waiting) < count:
                pass
    for thread in threads:
        thread.join()
    assert (served, len(device.batches)) == ([3], 6)


def test_close(device: FakeDevice) -> None:
    accelerator = Accelerator.open(bundle_of(NET), device)
    accelerator.close()
    accelerator.close()
    assert device.closed == 1
    for call in (
        lambda: accelerator.predict(VECTORS.images),
        lambda: accelerator.load_task("shapes"),
    ):
        with pytest.raises(TransportError, match="closed; open it again"):
            call()


def test_wrong_device_is_closed_again() -> None:
    device = FakeDevice(blended(seed=7))
    with pytest.raises(TransportError, match="open the bundle it was built with"):
        Accelerator.open(bundle_of(NET), device)
    assert device.closed == 1
    stuck = FakeDevice(NET)
    stuck.stall_loading = True
    with pytest.raises(TransportTimeoutError):
        Accelerator.open(bundle_of(NET), stuck)
    assert stuck.closed == 1
    with pytest.raises(DataError, match="timeout_s is 0"):
        Accelerator.open(bundle_of(NET), FakeDevice(NET), timeout_s=0)


def fake_factory(device_file: Path, info: object, **shapes: object) -> FakeDevice:
    assert device_file.read_bytes() == b"device"
    assert shapes == {"image_shape": (4, 4, 1), "outputs": 3, "words": 16}
    return FakeDevice(NET)


def test_transport_comes_from_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = metadata.EntryPoint("fake", f"{__name__}:fake_factory", "semifreddo.transports")
    broken = metadata.EntryPoint("broken", "semifreddo.nothing:x", "semifreddo.transports")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[fake_factory.__module__])
    monkeypatch.setattr(
        "semifreddo.runtime.plugins.metadata.entry_points", lambda group: (broken, entry)
    )
    (tmp_path / "device").write_bytes(b"device")
    file = TransportFile.of(tmp_path / "device", tmp_path)
    bundle = bundle_of(NET)

    def written(**transports: TransportFile) -> Path:
        path = tmp_path / "net.sfb"
        write_bundle(path, Bundle(NET, bundle.tasks, bundle.vectors, transports))
        return path

    with Accelerator.open(written(board=file, fake=file)) as accelerator:
        assert accelerator.check().ok
        assert accelerator.backend == "fake"
    with pytest.raises(
        TransportError, match=r"works here: board is not installed; put the missing files"
    ):
        Accelerator.open(str(written(board=file)))
    with pytest.raises(TransportError, match="transport 'broken': cannot be imported"):
        Accelerator.open(written(broken=file))
    with pytest.raises(TransportError, match="'board': no installed package provides it"):
        Accelerator.open(written(board=file), "board")


def test_import_is_light() -> None:
    """A board has NumPy only, and little time; `python -X importtime` shows where it goes."""
    code = (
        "import sys; import semifreddo.runtime; "
        "heavy = {'torch', 'brevitas', 'onnx', 'hls4ml', 'pynq', 'asyncio', 'multiprocessing', "
        "'semifreddo.sim', 'semifreddo.tools', 'semifreddo.rtl'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_source_values_are_refused_and_the_task_says_how_they_become_pixels() -> None:
    net = blended()
    task = dataclasses.replace(
        Task.of(net, "digits", ("a", "b")), preprocessing=Preprocessing(15, 16)
    )
    written = Task.from_json(task.to_json())
    with Accelerator(Bundle(net, {"digits": written}), FakeDevice(net)) as accelerator:
        source = np.full((2, *net.input.shape), 9)
        with pytest.raises(DataError, match=r"values 0\.\.9 look like .* multiply by 15"):
            accelerator.predict(source)
        pixels = accelerator.task.preprocessing.apply(source)
        assert np.array_equal(accelerator.predict(pixels).raw, reference.run(net, pixels))


def test_pixels_are_refused_by_a_task_with_mean_and_deviation_and_raw_of_brings_them() -> None:
    image = Stream("image", (4, 4, 1), FixedType.exact(8, 5, signed=True))
    net = dataclasses.replace(blended(), input=image)
    made = Preprocessing(mean=(0.5,), deviation=(0.25,))
    task = Task.from_json(
        dataclasses.replace(Task.of(net, "a", ("a", "b")), preprocessing=made).to_json()
    )
    pixels = np.full((2, *net.input.shape), 120, np.uint8)
    with Accelerator(Bundle(net, {"a": task}), FakeDevice(net)) as accelerator:
        with pytest.raises(DataError, match=r"look like stored pixels.*accelerator\.raw_of"):
            accelerator.predict(pixels)
        raw = accelerator.raw_of(pixels)
        assert (raw == round((120 / 255 - 0.5) / 0.25 * 32)).all()
        assert np.array_equal(accelerator.predict(raw).raw, reference.run(net, raw))
    with Accelerator(Bundle(net, {"a": Task.of(net, "a", ("a",))}), FakeDevice(net)) as plain:
        assert (plain.raw_of(pixels) == 120 - 128).all()


def test_real_values_for_an_input_of_another_scale_are_refused() -> None:
    """Ones and zeros would pass as raw integers, and mean something else."""
    net = blended()
    made = Preprocessing(step=1 / 255)
    task = dataclasses.replace(Task.of(net, "a", ("a", "b")), preprocessing=made)
    task = Task.from_json(task.to_json())
    assert task.preprocessing == made
    images = np.full((2, *net.input.shape), 0.5)
    with Accelerator(Bundle(net, {"a": task}), FakeDevice(net)) as accelerator:
        with pytest.raises(DataError, match=r"a raw 1 of the device's input means 0\.0039"):
            accelerator.predict(images)
        raw = np.full(images.shape, 128)
        assert np.array_equal(accelerator.predict(raw).raw, reference.run(net, raw))


@pytest.mark.parametrize(("width", "signed"), [(4, False), (8, True)])
def test_only_raw_integers_that_are_pixels_can_look_like_source_values(
    width: int, signed: bool
) -> None:
    """A 4-bit input reads 0..15 of any picture, so its raw integers say nothing of the source."""
    assert reads_pixels(8, signed=False) and reads_pixels(9, signed=True)
    assert not reads_pixels(width, signed=signed)
    image = Stream("image", (4, 4, 1), FixedType.exact(width, 4, signed=signed))
    narrow = dataclasses.replace(blended(), input=image)
    task = dataclasses.replace(
        Task.of(narrow, "digits", ("a", "b")), preprocessing=Preprocessing(15, 16)
    )
    with Accelerator(Bundle(narrow, {"digits": task}), FakeDevice(narrow)) as accelerator:
        images = np.full((2, *narrow.input.shape), 7)
        assert np.array_equal(accelerator.predict(images).raw, reference.run(narrow, images))


def test_a_result_that_is_an_image_has_no_class() -> None:
    predictions = Predictions(np.ones((2, 8), np.int64), np.ones((2, 8)), np.full(2, -1), "map", ())
    assert (predictions[1].index, predictions[1].label) == (-1, "")
    with pytest.raises(DataError, match="the results are images, which have no class"):
        _ = predictions.labels


def test_channels_first_is_taken_when_it_is_said(accelerator: Accelerator) -> None:
    first = VECTORS.images.transpose(0, 3, 1, 2)
    assert np.array_equal(accelerator.predict(first, layout="nchw").raw, VECTORS.expected)
    with pytest.raises(DataError, match="layout 'chwn', expected one of nhwc, nchw"):
        accelerator.predict(first, layout="chwn")  # type: ignore[arg-type]


def test_await(accelerator: Accelerator) -> None:
    async def two() -> list[np.ndarray]:
        calls = (accelerator.predict_async(VECTORS.images[part::2]) for part in range(2))
        return [answers.raw for answers in await asyncio.gather(*calls)]

    even, odd = asyncio.run(two())
    assert np.array_equal(even, VECTORS.expected[::2])
    assert np.array_equal(odd, VECTORS.expected[1::2])


@pytest.mark.parametrize(("net", "value"), [(signs(), 0), (signs(), -2), (powers(), 3)])
def test_a_weight_that_breaks_a_promise_never_reaches_the_device(
    net: StreamNet, value: int
) -> None:
    """The hardware of signs would take it for one, that of powers of two for another power."""
    bundle = bundle_of(net, "good")
    device, good = FakeDevice(bundle.net), bundle.tasks["good"]
    words, mask = good.words.copy(), (1 << net.block["w"].bits) - 1
    words[1] = (int(words[1]) & ~mask) | (value & mask)
    task = dataclasses.replace(good, name="bad", words=words)
    with pytest.raises(TaskError, match=r"w: value"):
        Bundle(bundle.net, {"bad": task}, {})
    with Accelerator.open(bundle, device) as accelerator:
        loads = device.loads
        with pytest.raises(TaskError, match=r"w: value.* -1.*1.*; retarget"):
            accelerator.load_task(task)
        assert device.loads == loads and accelerator.task == good
