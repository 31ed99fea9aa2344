"""options.py: how a filter and a constant are named on the command line."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from nmjit.runtime.cli.options import FilterName, define_option, parse_filter


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "acl.py"
    path.write_text("")
    return path


def test_filter_by_file(source: Path) -> None:
    assert parse_filter(str(source)) == FilterName(source, None)


def test_filter_by_file_and_function(source: Path) -> None:
    assert parse_filter(f"{source}:drop_all") == FilterName(source, "drop_all")


def test_a_file_whose_name_has_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "a:b.py"
    path.write_text("")
    assert parse_filter(str(path)) == FilterName(path, None)


@pytest.mark.parametrize(
    ("suffix", "complaint"),
    [(".missing", "no such file"), (":2x", "no name of a function"), ("/..", "no such file")],
)
def test_what_is_no_filter_is_wrong_usage(source: Path, suffix: str, complaint: str) -> None:
    with pytest.raises(click.BadParameter, match=complaint):
        parse_filter(f"{source}{suffix}")


def test_a_directory_is_no_filter(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match="is a directory"):
        parse_filter(str(tmp_path))


@click.command()
@define_option
def show(defines: dict[str, str]) -> dict[str, str]:
    """Stands for a verb."""
    return defines


def test_defines_become_a_dict_and_the_last_one_wins() -> None:
    arguments = ["-D", "RATE=5", "-D", "NAME=a=b", "-D", "RATE=6"]
    assert show.main(arguments, standalone_mode=False) == {"RATE": "6", "NAME": "a=b"}


@pytest.mark.parametrize("text", ["RATE", "=5", "2X=5", ""])
def test_a_define_without_name_or_value_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not NAME=VALUE"):
        show.main(["-D", text], standalone_mode=False)
