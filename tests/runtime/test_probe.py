"""probe.py: what a refusal says; the real features only have to answer."""

from __future__ import annotations

import errno
import os

import pytest

from nmjit.runtime.probe import AF_XDP, NETMAP, Feature


def refusing(number: int) -> Feature:
    def attempt() -> None:
        raise OSError(number, os.strerror(number))

    return Feature("teleport", attempt, since="Linux 99", fix="wait", reasons={errno.ENOENT: "there is no such device"})


def test_a_feature_that_works_is_not_missing() -> None:
    assert Feature("air", lambda: None, since="", fix="", reasons={}).missing() is None


def test_a_known_errno_is_told_in_words() -> None:
    answer = refusing(errno.ENOENT).missing()
    assert answer is not None
    assert str(answer) == "teleport: there is no such device (needs Linux 99)"


def test_an_unknown_errno_is_told_in_the_systems_words() -> None:
    answer = refusing(errno.EBUSY).missing()
    assert answer is not None
    assert answer.why == os.strerror(errno.EBUSY)


def test_only_os_errors_mean_missing() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Feature("bug", broken, since="", fix="", reasons={}).missing()


@pytest.mark.parametrize("feature", [NETMAP, AF_XDP], ids=lambda feature: feature.name)
def test_real_features_answer_and_leave_no_file_open(feature: Feature) -> None:
    before = len(os.listdir("/proc/self/fd"))
    answer = feature.missing()
    assert answer is None or answer.what == feature.name
    assert len(os.listdir("/proc/self/fd")) == before
