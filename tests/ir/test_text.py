from __future__ import annotations

from nets import blended
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Cast, Conv, Route, Stream
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.ir.text import details

GOLDEN = """\
net blended
input image: 4x4x1 u8.8:TRN:WRAP
block %core.weight: weight 3x3x1x4 s4 frac=3 frozen sha256:CORE
block %adapter.weight: weight 3x3x1x4 s4 frac=3 partial:Fccc sha256:ADAPTER
block %adapter.bias: bias 4 s12 frac=11 partial:Fccc sha256:BIAS
block %mix.alpha: alpha 4 u4 frac=3 configurable sha256:ALPHA
block %head.weight: weight 4x3 s4 frac=3 configurable sha256:HEAD
core = Conv(image) kernel=3x3 stride=1x1 padding=1,1,1,1 %core.weight -> 4x4x4 u8.4:RND_CONV:SAT
adapter = Conv(image) kernel=3x3 stride=1x1 padding=1,1,1,1 %adapter.weight %adapter.bias \
-> 4x4x4 u8.4:RND_CONV:SAT
mix = Blend(core, adapter) %mix.alpha -> 4x4x4 u8.4:RND_CONV:SAT
pool = AvgPool(mix) kernel=4x4 stride=4x4 -> 1x1x4 u8.4:RND_CONV:SAT
logits = Linear(pool) %head.weight -> 1x1x3 s20.7:TRN:WRAP
"""


def test_fields_of_a_kind_are_printed_by_their_type() -> None:
    kind = FixedType.exact(8, 0, signed=False)
    layers = [
        Conv(
            inputs=("a",),
            output=Stream("b", (2, 2, 1), kind),
            weight="w",
            bias=None,
            kernel=(3, 1),
            stride=(1, 2),
            padding=(0, 0, 0, 0),
            depthwise=True,
        ),
        Route(inputs=("b",), output=Stream("c", (2, 2, 1), kind), indices=(0,)),
        Cast(inputs=("c",), output=Stream("d", (2, 2, 1), kind)),
    ]
    assert [details(layer) for layer in layers] == [
        " kernel=3x1 stride=1x2 depthwise %w",
        " indices=0",
        "",
    ]


def test_text_is_stable() -> None:
    from semifreddo.core.digest import digest_ints

    net = blended()
    golden = GOLDEN
    for mark, block in zip(("CORE", "ADAPTER", "BIAS", "ALPHA", "HEAD"), net.blocks, strict=True):
        golden = golden.replace(f"sha256:{mark}", f"sha256:{digest_ints(block.raw)[:12]}")
    assert str(net) == golden


def test_repeats_close_the_text() -> None:
    net = blended()
    layers = tuple(
        Cast(inputs=(source,), output=Stream(name, net.input.shape, net.input.type))
        for source, name in (("image", "a"), ("a", "b"), ("b", "c"), ("c", "d"))
    )
    repeat = Repeat("block", (("a", "b"), ("c", "d")))
    looped = StreamNet(
        "looped", Stream("image", net.input.shape, net.input.type), layers, (), (repeat,)
    )
    assert str(looped).splitlines()[-1] == "repeat block: a, b | c, d"
