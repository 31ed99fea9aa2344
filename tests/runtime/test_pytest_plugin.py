"""pytest_plugin.py, by running pytest on small test files as a user has them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TELNET = """
from nmjit import DROP, PASS, Counter, Packet, Verdict, filter, u8

PORT = 23
SEEN = Counter(u8)

@filter
def telnet(pkt: Packet) -> Verdict:
    SEEN[1] += 1
    tcp = pkt.tcp
    if tcp is not None and tcp.dport == PORT:
        return DROP
    ip = pkt.ipv4
    if ip is not None:
        ip.ttl = 1
        return PASS
    return DROP if pkt[50] else PASS
"""
HEAD = """
from nmjit import ABORTED, DROP, PASS
from nmjit.runtime.pytest_plugin import assert_packet
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import wrpcap

ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")

def tcp(port, **fields):
    return ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2", **fields) / TCP(dport=port)
"""


@pytest.fixture
def write(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(telnet=TELNET)
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:xdist -p no:randomly\n")
    if not pytester.plugins and not _installed():
        pytester.makeconftest("pytest_plugins = ['nmjit.runtime.pytest_plugin']")


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.value == "nmjit.runtime.pytest_plugin" for point in entry_points(group="pytest11"))


def run(pytester: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_user=HEAD + body)
    return pytester.runpytest_subprocess("-q", *arguments)


@pytest.mark.usefixtures("write")
@pytest.mark.parametrize("backend", ["jit", "python", "interp", "all"])
def test_packets_and_maps_on_each_back_end(pytester: pytest.Pytester, backend: str) -> None:
    body = """
def test_packets(nmjit_filter):
    telnet = nmjit_filter("telnet.py")
    dropped, passed, raised = telnet.run([tcp(23), bytes(tcp(80)), ETHERNET / ARP(pdst="192.0.2.1")])
    assert (dropped.verdict, passed.verdict, raised.verdict) == (DROP, PASS, ABORTED)
    assert (raised.exception, raised.line) == ("IndexError", 16)
    assert_packet(passed.data, tcp(80, ttl=1))
    assert telnet.map_entries()["SEEN"][1] == (3,)

def test_maps_are_fresh_in_each_test(nmjit_filter):
    telnet = nmjit_filter("telnet.py")
    telnet.run_one(tcp(80))
    assert telnet.map_entries()["SEEN"][1] == (1,)

def test_constants(nmjit_filter):
    assert nmjit_filter("telnet.py", defines={"PORT": 80}).run_one(tcp(80)).verdict == DROP

def test_capture(nmjit_filter, tmp_path):
    path = tmp_path / "in.pcap"
    wrpcap(str(path), [tcp(23), tcp(23), tcp(80)])
    result = nmjit_filter("telnet.py").run_capture(path)
    assert (result.packets, result.verdicts["DROP"], result.verdicts["PASS"]) == (3, 2, 1)
"""
    run(pytester, body, f"--nmjit-backend={backend}").assert_outcomes(passed=4)


@pytest.mark.usefixtures("write")
def test_a_filter_is_compiled_once_a_session(pytester: pytest.Pytester) -> None:
    body = """
import nmjit.runtime.program as program

loads = []
load = program.Program.load

def test_one(nmjit_filter, monkeypatch):
    monkeypatch.setattr(program.Program, "load", lambda *args, **kwargs: loads.append(args) or load(*args, **kwargs))
    nmjit_filter("telnet.py").run_one(tcp(23))
    nmjit_filter("telnet.py").run_one(tcp(23))
    assert len(loads) == 1

def test_two(nmjit_filter, monkeypatch):
    monkeypatch.setattr(program.Program, "load", None)
    nmjit_filter("telnet.py").run_one(tcp(23))
"""
    run(pytester, body).assert_outcomes(passed=2)


@pytest.mark.usefixtures("write")
def test_back_ends_that_differ_fail_the_test(pytester: pytest.Pytester) -> None:
    body = """
import dataclasses
import nmjit.runtime.program as program

run_packets = program.Program.run_packets

def lie(self, packets):
    results = run_packets(self, packets)
    if self.backend == "interp":
        results[-1] = dataclasses.replace(results[-1], data=bytes(tcp(80, ttl=9)))
    return results

def test_it(nmjit_filter, monkeypatch):
    monkeypatch.setattr(program.Program, "run_packets", lie)
    nmjit_filter("telnet.py", backend="all").run([tcp(23), tcp(80)])
"""
    result = run(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*packet 1: python and interp differ*", "*IP*ttl*9*1"])


@pytest.mark.usefixtures("write")
def test_a_refused_filter_fails_with_its_diagnostic(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(bad=TELNET.replace("PORT:", "PORT / 2:"))
    result = run(pytester, "def test_it(nmjit_filter):\n    nmjit_filter('bad.py')\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CompileError: bad.py:*"])


@pytest.mark.usefixtures("write")
def test_the_plugin_costs_nothing_where_no_filter_is_used(pytester: pytest.Pytester) -> None:
    body = "def test_it():\n    import sys\n    assert 'llvmlite' not in sys.modules\n"
    run(pytester, body.replace("\ndef", "\n")).assert_outcomes(passed=1)


def test_this_file_tests_the_tree_at_hand() -> None:
    import nmjit.runtime.pytest_plugin as plugin

    assert Path(plugin.__file__).resolve() == Path(__file__).resolve().parents[2] / "runtime/pytest_plugin.py"
