"""Network devices by both data paths: veth, virtio-net, taps; host rings; devices that change or go."""

from __future__ import annotations

from tests.kernel.guest_tests import Boot, Step

NETWORK = True
STEPS = (
    Step("t_nic", parameters="buf_num=16384 xdp=off", label="skb"),
    Step("t_host", parameters="buf_num=16384 xdp=off", label="host_skb"),
    Step("t_nic_life", parameters="buf_num=16384 xdp=off", label="life_skb"),
    Step("t_nic", parameters="buf_num=16384 xdp=on", label="xdp", arguments="--path=xdp"),
    Step("t_host", parameters="buf_num=16384 xdp=on", label="host_xdp", arguments="--path=xdp"),
    Step("t_nic_life", parameters="buf_num=16384 xdp=on", label="life_xdp", arguments="--path=xdp"),
)


def test_guest(case: str, boot: Boot) -> None:
    boot.verdict(case).demand()
