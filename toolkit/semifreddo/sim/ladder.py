"""The truth ladder: the same images through every level, compared as integers.

A rung is one way to compute a network's answers: torch, QONNX, StreamNet, C simulation, RTL, board.
Rungs are equal or they are not; there is no tolerance. When one differs, the first diverging layer,
image, pixel and channel is named if the rung can be traced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import LadderError
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.net import StreamNet
from semifreddo.sim import reference

Runner: TypeAlias = Callable[[npt.NDArray[np.integer]], npt.NDArray[np.int64]]
Tracer: TypeAlias = Callable[[npt.NDArray[np.integer]], Mapping[str, npt.NDArray[np.int64]]]
Status: TypeAlias = Literal["equal", "explained", "different", "unavailable"]


@dataclass(frozen=True)
class Counted:
    """A comparison layer by layer, of a computation that rounds.

    Attributes:
        values: Integers that were compared; 0 if the rung cannot be climbed after all.
        differing: How many of them differ.
        wrong: How many of them differ by more than round-off explains.
        wrong_images: In how many images.
        first: Where the first of them is, or why nothing was compared.
    """

    values: int
    differing: int
    wrong: int
    wrong_images: int
    first: str = ""


@dataclass(frozen=True)
class Rung:
    """One level of the ladder.

    Attributes:
        name: ``torch``, ``qonnx``, ``streamnet``, ``csim``, ``rtl``, ``board``…
        run: Raw images ``(n, h, w, c)`` to raw results ``(n, outputs)``; None if this machine
            cannot climb the rung.
        reason: Why it cannot; required when ``run`` is None.
        trace: Raw images to every layer's raw stream by name, if the rung can be looked into.
        count: In place of ``run``, for a rung in single precision: compares every layer with the
            integers that the layer makes of the rung's own previous ones.
        note: What else is known of the rung, once it was climbed.
    """

    name: str
    run: Runner | None
    reason: str = ""
    trace: Tracer | None = None
    count: Callable[[npt.NDArray[np.integer]], Counted] | None = None
    note: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        if self.run is None and self.count is None and not self.reason:
            raise ValueError(f"rung {self.name!r} is unavailable for no stated reason")


@dataclass(frozen=True)
class Divergence:
    """Where two computations part: the first layer, image, pixel and channel that differ."""

    layer: str
    image: int
    row: int
    column: int
    channel: int
    expected: int
    found: int

    def __str__(self) -> str:
        return (
            f"layer {self.layer}, image {self.image}, row {self.row}, column {self.column}, "
            f"channel {self.channel}: expected {self.expected}, found {self.found}"
        )


@dataclass(frozen=True)
class RungResult:
    """What climbing one rung gave.

    Attributes:
        name: The rung.
        status: ``equal``, ``explained`` (by round-off in single precision), ``different`` or
            ``unavailable``.
        images: Images compared; 0 if unavailable.
        wrong_images: Images with at least one different output; None if unavailable.
        seconds: Time the rung took; None if unavailable.
        detail: Reason of unavailability, the first difference, or what else is known.
        values: Integers compared layer by layer; None of a rung that is compared by its answers.
        differing: How many of them differ.
    """

    name: str
    status: Status
    images: int
    wrong_images: int | None
    seconds: float | None
    detail: str
    values: int | None = None
    differing: int | None = None


@dataclass(frozen=True)
class LadderReport:
    """All rungs, in climbing order.

    Attributes:
        results: One per rung.
        compared: With what they were compared, in words.
        own_answers: Whether the answers are the integer reference's own, to random images.
    """

    results: tuple[RungResult, ...]
    compared: str
    own_answers: bool

    @property
    def climbed(self) -> tuple[RungResult, ...]:
        """Rungs that were available here."""
        return tuple(result for result in self.results if result.status != "unavailable")

    def check(self) -> None:
        """Fail unless at least one rung was climbed and all climbed rungs are equal.

        Raises:
            LadderError: Names the first rung that differs, and where.
        """
        if not self.climbed:
            raise LadderError("no rung could be climbed on this machine; run `semifreddo doctor`")
        for result in self.climbed:
            if result.status == "different":
                raise LadderError(
                    f"rung {result.name} differs on {result.wrong_images} of {result.images} "
                    f"images; first: {result.detail}"
                )

    def __str__(self) -> str:
        """Aligned text table."""
        width = len(max((result.name for result in self.results), key=len, default=""))
        lines = []
        for result in self.results:
            if result.status == "unavailable":
                what = f"not climbed: {result.detail}"
            else:
                what = f"{result.status} on {result.images} images"
                what += f" in {result.seconds:.2f} s" if result.seconds is not None else ""
                what += f"; {result.detail}" if result.detail else ""
            lines.append(f"{result.name:<{width}}  {what}")
        return "\n".join(lines)


def first_divergence(
    net: StreamNet, images: npt.NDArray[np.integer], tracer: Tracer
) -> Divergence | None:
    """Find where a traceable computation leaves the integer reference.

    Args:
        net: The network.
        images: Raw images; a handful is enough.
        tracer: The other computation. Layers it does not report are skipped.

    Returns:
        The first difference in layer order, or None.

    Raises:
        LadderError: The tracer reports no layer of this network, or a stream of another size.
    """
    expected, found = reference.trace(net, images), tracer(images)
    common = [layer.name for layer in net.layers if layer.name in found]
    if not common:
        raise LadderError(f"{net.name}: the trace names none of the network's layers")
    for name in common:
        want = expected[name]
        if found[name].size != want.size:
            raise LadderError(
                f"{name}: the trace has {found[name].size} values, expected {want.size}"
            )
        got = found[name].reshape(want.shape)
        differs = np.argwhere(got != want)
        if len(differs):
            image, row, column, channel = (int(index) for index in differs[0])
            place = (image, row, column, channel)
            return Divergence(name, *place, int(want[place]), int(got[place]))
    return None


def _first_difference(
    rung: Rung, net: StreamNet, vectors: VectorSet, found: npt.NDArray[np.int64]
) -> str:
    image, output = (int(index) for index in np.argwhere(found != vectors.expected)[0])
    text = (
        f"image {image}, output {output}: expected {int(vectors.expected[image, output])}, "
        f"found {int(found[image, output])}"
    )
    if rung.trace is None:
        return text
    place = first_divergence(net, vectors.images[image : image + 1], rung.trace)
    if place is None:
        return f"{text} (every traced layer agrees)"
    return f"{text}; diverges in layer {place.layer} at row {place.row}, column {place.column}, \
channel {place.channel}: expected {place.expected}, found {place.found}"


def _count(rung: Rung, vectors: VectorSet) -> RungResult:
    """Climb a rung that rounds."""
    assert rung.count is not None
    start = time.perf_counter()
    found = rung.count(vectors.images)
    seconds = time.perf_counter() - start
    if not found.values:
        return RungResult(rung.name, "unavailable", 0, None, None, found.first)
    status: Status = "explained" if found.differing else "equal"
    detail = f"{found.values:,} integers compared layer by layer"
    if found.differing:
        detail = f"{found.differing:,} of {detail} differ, each within its round-off"
    if found.wrong:
        status, detail = "different", f"{found.first} ({found.wrong} like this)"
    return RungResult(
        rung.name,
        status,
        len(vectors),
        found.wrong_images,
        seconds,
        detail,
        found.values,
        found.differing,
    )


def _climb(rung: Rung, net: StreamNet, vectors: VectorSet) -> RungResult:
    if rung.count is not None:
        return _count(rung, vectors)
    if rung.run is None:
        return RungResult(rung.name, "unavailable", 0, None, None, rung.reason)
    start = time.perf_counter()
    found = rung.run(vectors.images)
    seconds = time.perf_counter() - start
    if found.shape != vectors.expected.shape:
        raise LadderError(
            f"rung {rung.name} answered with shape {found.shape}, expected {vectors.expected.shape}"
        )
    wrong = int((found != vectors.expected).any(axis=1).sum())
    detail = "" if rung.note is None else rung.note()
    if wrong:
        detail = _first_difference(rung, net, vectors, found)
    status: Status = "different" if wrong else "equal"
    return RungResult(rung.name, status, len(vectors), wrong, seconds, detail)


def climb(
    net: StreamNet,
    vectors: VectorSet,
    rungs: Sequence[Rung],
    *,
    progress: Callable[[RungResult], None] = lambda _: None,
) -> LadderReport:
    """Climb every available rung, also after one has differed.

    Args:
        net: The network the vectors belong to.
        vectors: Images and the expected raw results; at least one image.
        rungs: In climbing order.
        progress: Called with each result as it comes.

    Raises:
        LadderError: There are no vectors, or a rung answers with the wrong shape.
    """
    if not len(vectors):
        raise LadderError(f"{net.name}: there are no vectors to climb with")
    results = []
    for rung in rungs:
        result = _climb(rung, net, vectors)
        progress(result)
        results.append(result)
    return LadderReport(tuple(results), str(vectors), vectors.random)
