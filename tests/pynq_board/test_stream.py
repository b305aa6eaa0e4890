"""Images through the true PYNQ code: exactness, batches of any size, tasks, threads, await."""

from __future__ import annotations

import asyncio
import threading
from importlib import metadata

import numpy as np
import pytest

from board_nets import coloured, frozen, wide
from fakes import other_task, vectors_of
from nets import blended
from semifreddo.core.block_design import ZYNQ7, ZYNQ_ULTRA
from semifreddo.core.errors import DataError, TaskError, TransportError
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.task import Task
from semifreddo.runtime.simulated.dma import Fault
from semifreddo.sim import reference

NET = blended()
VECTORS = vectors_of(NET, 40)
OTHER = other_task(NET)
BUFFER = 8


def answers_of(task: Task, images: np.ndarray) -> np.ndarray:
    return reference.run(NET.with_values(AddressMap.of(NET).unpack(task.words)), images)


@pytest.mark.parametrize("ps", [ZYNQ7, ZYNQ_ULTRA])
def test_both_processing_systems(board, opened, ps: str) -> None:
    if ps == ZYNQ7 and metadata.version("pynq").startswith("4"):
        pytest.skip("pynq 4 has no Zynq-7000")
    board(ps=ps)
    accelerator = opened(NET, ps=ps)
    assert accelerator.check().ok
    assert accelerator.backend == "pynq"


@pytest.mark.parametrize("count", [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER, 10_000])
def test_any_batch(board, opened, count: int) -> None:
    board()
    accelerator = opened(NET, buffer_frames=BUFFER if count < 100 else 128, timeout_s=30)
    images = np.resize(VECTORS.images, (count, *NET.input.shape)).astype(np.uint8)
    expected = np.resize(VECTORS.expected, (count, 3))
    assert np.array_equal(accelerator.predict(images).raw, expected)
    assert np.array_equal(accelerator.predict(images).raw, expected)


def test_packing_dma_and_unpacking_overlap(board, opened, monkeypatch) -> None:
    """The DMA is busy while the next frames are packed and while the last results are unpacked."""
    from semifreddo.runtime import stream

    made = board(latency_s=0.01)
    accelerator = opened(NET, buffer_frames=BUFFER)
    seen = []
    for name in ("_pack", "_unpack"):
        step = getattr(stream.PacketStream, name)

        def watched(self, part: int, step=step, name=name) -> None:
            seen.append((name, part, made.dma.busy))
            step(self, part)

        monkeypatch.setattr(stream.PacketStream, name, watched)
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)
    last = len(VECTORS) // BUFFER - 1
    busy = {(name, part): was for name, part, was in seen}
    assert all(busy["_pack", part] for part in range(1, last + 1))
    assert all(busy["_unpack", part] for part in range(last))
    assert not busy["_unpack", last]


def test_a_thousand_calls_agree_with_the_first(board, opened) -> None:
    board()
    accelerator = opened(NET)
    first = accelerator.predict(VECTORS.images[:3]).raw
    for _ in range(999):
        assert np.array_equal(accelerator.predict(VECTORS.images[:3]).raw, first)
    assert np.array_equal(first, VECTORS.expected[:3])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["uint8", "float", "nchw", "strided", "int64"])
def test_forms_of_images(board, opened, channels: int, form: str) -> None:
    net = coloured(channels)
    vectors = vectors_of(net, 11)
    board(net)
    accelerator = opened(net, buffer_frames=4)
    images, layout = vectors.images.astype(np.uint8), "nhwc"
    if form == "float":
        images = images / 256
    elif form == "nchw":
        images, layout = np.ascontiguousarray(images.transpose(0, 3, 1, 2)), "nchw"
    elif form == "strided":
        images = np.repeat(images, 2, axis=0)[::2]
    elif form == "int64":
        images = images.astype(np.int64)
    assert np.array_equal(accelerator.predict(images, layout=layout).raw, vectors.expected)


def test_wide_and_signed_values(board, opened) -> None:
    """Inputs of 12 signed bits, results of more than 32 bits."""
    net = wide()
    vectors = vectors_of(net, 9)
    board(net)
    assert np.array_equal(
        opened(net, buffer_frames=4).predict(vectors.images).raw, vectors.expected
    )


def test_images_that_do_not_fit_are_refused(board, opened) -> None:
    board()
    accelerator = opened(NET)
    with pytest.raises(DataError, match=r"if yours come first, give layout='nchw'"):
        accelerator.predict(np.zeros((2, 1, 4, 4), np.uint8))
    with pytest.raises(DataError, match="layout 'nchw' was given"):
        accelerator.predict(np.zeros((2, 4, 4, 1), np.uint8), layout="nchw")
    with pytest.raises(DataError, match="layout 'whc', expected one of nhwc, nchw"):
        accelerator.predict(np.zeros((2, 4, 4, 1), np.uint8), layout="whc")
    assert accelerator.check().ok


def test_a_hundred_task_swaps_in_a_stream(board, opened) -> None:
    board()
    accelerator = opened(NET, buffer_frames=4)
    tasks = [accelerator.task, OTHER]
    answered = []
    for position, answer in enumerate(
        accelerator.stream(np.tile(VECTORS.images, (5, 1, 1, 1)), batch=2)
    ):
        answered.append(answer.raw)
        if position % 2:  # the batch is answered: the next one is the other task's
            accelerator.load_task(tasks[(position // 2 + 1) % 2])
    images = np.tile(VECTORS.images, (5, 1, 1, 1))
    expected = np.array([answers_of(task, images) for task in tasks])
    which = np.arange(len(images)) // 2 % 2
    assert len(answered) == 200
    assert np.array_equal(np.array(answered), expected[which, np.arange(len(images))])


def test_tasks_from_one_thread_images_from_others(board, opened) -> None:
    """The lock makes every batch the answer of one task, whoever loads the next meanwhile."""
    board()
    accelerator = opened(NET, buffer_frames=4, timeout_s=30)
    expected = {task.name: answers_of(task, VECTORS.images) for task in (accelerator.task, OTHER)}
    seen, wrong = set(), []

    def stream() -> None:
        for _ in range(60):
            found = accelerator.predict(VECTORS.images)
            seen.add(found.task)
            if not np.array_equal(found.raw, expected[found.task]):
                wrong.append(found.task)

    threads = [threading.Thread(target=stream) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(100):
        accelerator.load_task(OTHER if number % 2 else "shapes")
    for thread in threads:
        thread.join()
    assert not wrong
    assert seen == set(expected)


def test_await(board, opened) -> None:
    board()
    accelerator = opened(NET)

    async def several() -> list[np.ndarray]:
        calls = [accelerator.predict_async(VECTORS.images[start:]) for start in range(5)]
        return [found.raw for found in await asyncio.gather(*calls)]

    for start, raw in enumerate(asyncio.run(several())):
        assert np.array_equal(raw, VECTORS.expected[start:])


def test_opened_and_closed_in_other_threads(board, opened) -> None:
    board(latency_s=0.01)
    accelerators = []
    thread = threading.Thread(target=lambda: accelerators.append(opened(NET)))
    thread.start()
    thread.join()
    assert accelerators[0].check().ok
    accelerators[0].close()
    accelerators[0].close()


def test_a_task_the_core_refuses(board, opened) -> None:
    made = board()
    accelerator = opened(NET)
    made.dma.faults.append(Fault("bit flip", "send"))
    with pytest.raises(
        TaskError, match=r"^blended: the core refused the task: task checksum wrong$"
    ):
        accelerator.load_task(OTHER)
    assert accelerator.task.name == "shapes"
    assert accelerator.check().ok
    assert made.downloads == 1


def test_the_words_of_a_task_are_copied(board, opened) -> None:
    """What the caller does with the array later is no new task, also after a recovery."""
    made = board()
    accelerator = opened(NET)
    transport = accelerator._transport
    words = OTHER.words.copy()
    transport.load(words, 5)
    words[:] = 0
    assert np.array_equal(transport.run(VECTORS.images, 5), answers_of(OTHER, VECTORS.images))
    made.dma.faults.append(Fault("slave error", "send"))
    with pytest.raises(TransportError):
        transport.run(VECTORS.images, 5)
    found = transport.run(VECTORS.images, 5)
    assert made.downloads == 2
    assert np.array_equal(found, answers_of(OTHER, VECTORS.images))


def test_a_net_without_loadable_values(board, opened) -> None:
    net = frozen()
    board(net)
    assert opened(net).check().ok
