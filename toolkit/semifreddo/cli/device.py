"""The device that a verb uses: of a bundle, on a board, in a simulation, on a simulated board."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from semifreddo.cli.console import progress
from semifreddo.core.errors import DataError, TransportError

if TYPE_CHECKING:
    from semifreddo.ir.net import StreamNet
    from semifreddo.runtime import Accelerator, Bundle


def add_device(parser: argparse.ArgumentParser) -> None:
    """Options that say which device."""
    parser.add_argument("--task", help="task file, or name of a task in the bundle")
    parser.add_argument("--transport", help="which device: pynq, csim, rtl...")
    parser.add_argument(
        "--simulated-board",
        action="store_true",
        help="PYNQ's own code on a simulated board (needs pynq, but no board)",
    )
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="longest wait for an answer"
    )


@contextlib.contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[Accelerator]:
    """The device of a command line, its task loaded."""
    from semifreddo.runtime import Accelerator, Bundle

    bundle, name = Bundle.load(arguments.bundle), arguments.transport
    with contextlib.ExitStack() as stack:
        if arguments.simulated_board:
            bundle, name = stack.enter_context(_simulated(bundle)), "pynq"
        accelerator = stack.enter_context(
            Accelerator.open(bundle, name, timeout_s=arguments.timeout)
        )
        if arguments.task is not None:
            accelerator.load_task(arguments.task)
        board = " on a simulated board" if arguments.simulated_board else ""
        progress(
            f"{accelerator.net.name} on {accelerator.backend}{board}, task {accelerator.task.name}"
        )
        yield accelerator


@contextlib.contextmanager
def _simulated(bundle: Bundle) -> Iterator[Bundle]:
    """A simulated board whose logic is another transport of the bundle, or the reference."""
    try:
        from semifreddo.runtime.simulated.board import SimulatedBoard
        from semifreddo.runtime.simulated.hwh import with_simulated_bitstream
    except ImportError as error:
        raise DataError(f"--simulated-board: needs pynq ({error}); see docs/pynq.md") from error
    from semifreddo.sim.device import ReferenceDevice

    if "pynq" not in bundle.transports:
        bundle = with_simulated_bitstream(bundle)
    try:
        board = SimulatedBoard.of(bundle)
    except TransportError:
        board = SimulatedBoard.of(bundle, ReferenceDevice(bundle.net))
    with board:
        yield bundle


def software(accelerator: Accelerator) -> StreamNet:
    """The network with the values of the current task, for the integer reference."""
    from semifreddo.ir.address_map import AddressMap

    net = accelerator.net
    return net.with_values(AddressMap.of(net).unpack(accelerator.task.words))
