"""Writes ``digits.sfb``: network and two tasks of ``hls_projects/digits`` for tests without torch.

Run from the repository root, after::

    semifreddo build hls_projects/digits
    semifreddo retarget hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 \
        -o odd_even.json --vectors odd_even.npz

as ``python tests/golden/make_digits_bundle.py odd_even.json odd_even.npz``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from semifreddo.convert import convert
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.task import Task
from semifreddo.runtime import Bundle, write_bundle

VECTORS = 100

if __name__ == "__main__":
    other, vectors = Task.load(Path(sys.argv[1])), VectorSet.load(Path(sys.argv[2]))
    design = Path("hls_projects/digits")
    net = convert(design / "model.onnx", "digits")
    first = Task.of(net, "digits", tuple(map(str, range(10))))
    own = VectorSet.load(design / "vectors.npz")
    bundle = Bundle(
        net=net,
        tasks={first.name: first, other.name: other},
        vectors={first.name: own.head(VECTORS), other.name: vectors.head(VECTORS)},
    )
    write_bundle(Path(__file__).with_name("digits.sfb"), bundle)
