"""The cases of the benchmark of maps: prefixes without repeats, keys that come as a case says."""

from __future__ import annotations

import numpy as np
import pytest

from nmjit.bench.state_cases import CASES, Case, Kind, make_routes, make_translations
from tests.bench.state_models import checksum


def test_routes_are_networks_without_repeats_shorter_ones_first() -> None:
    routes = make_routes(5_000, seed=1)
    pairs = list(zip(routes.lengths.tolist(), routes.networks.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert all(network % 2 ** (32 - length) == 0 for length, network in pairs)
    assert {length for length, _ in pairs} <= set(range(8, 33))
    assert 0.95 * 5_000 < len(pairs) <= 5_000
    assert 0.5 < (routes.lengths == 24).mean() < 0.7
    assert routes.hops.size == len(pairs)
    assert routes.hops.max() < 256


def test_routes_are_those_of_their_seed() -> None:
    first, again, other = (make_routes(1_000, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.networks, again.networks)
    assert not np.array_equal(first.networks[:100], other.networks[:100])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_keys_are_within_the_case(case: Case) -> None:
    keys = case.keys(20_000, np.random.default_rng(4))
    assert keys.dtype == np.uint32
    assert keys.size == 20_000
    assert case.kind is Kind.ROUTES or keys.max() < case.size


def test_uniform_keys_are_even_and_zipf_keys_are_not() -> None:
    even, steep = (Case("any", Kind.FLOWS, 1 << 16, zipf=zipf) for zipf in (False, True))
    counts = [np.bincount(case.keys(100_000, np.random.default_rng(2)), minlength=1 << 16) for case in (even, steep)]
    shares = [np.sort(count)[::-1].cumsum() / count.sum() for count in counts]
    assert shares[0][9] < 0.01
    assert shares[0][len(shares[0]) // 2] < 0.95
    # By the harmonic sum, ten of 65,536 ranks have about a quarter of all packets.
    assert 0.15 < shares[1][9] < 0.35
    assert counts[1].max() > 0.04 * 100_000


def test_translations_have_a_public_address_and_port_of_their_own() -> None:
    made = make_translations(np.zeros((70_000, 2), dtype=np.uint64))
    assert len(set(zip(made.addresses.tolist(), made.ports.tolist(), strict=True))) == 70_000
    assert made.ports.min() == 1_024


def test_the_models_checksum_is_that_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == bytes.fromhex("220d")
    assert checksum(b"\xff\xff") == b"\xff\xff"
