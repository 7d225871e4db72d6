"""`kelp data`: the example data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def data() -> None:
    """Get data sets."""


def _output(folder: str) -> Callable[[Command], Command]:
    """The options of each data set, with the folder that it goes to."""

    def decorate(command: Command) -> Command:
        out = click.option(
            "--out", type=click.Path(path_type=Path), default=Path(folder), show_default=True
        )
        force = click.option("--force", is_flag=True, help="Write them again.")
        return out(force(command))

    return decorate


@data.command()
@_output("data/flights")
def flights(out: Path, force: bool) -> int:
    """Write the flights that left New York in 2013, with their weather."""
    from examples.flights.download import write_flights

    report = write_flights(out, force)
    click.echo(
        f"{_verb(report.written)} {report.rows:,} flights, {len(report.columns)} columns, "
        f"{len(report.files)} spans in {report.out}"
    )
    return 0


@data.command()
@_output("data/digits")
def digits(out: Path, force: bool) -> int:
    """Write 5,000 handwritten digits of MNIST, a folder of PNGs for each digit."""
    from examples.digits.images import write_digits

    report = write_digits(out, force)
    click.echo(f"{_verb(report.written)} {report.rows:,} images in {report.out}")
    return 0


@data.command()
@_output("data/electricity")
def electricity(out: Path, force: bool) -> int:
    """Write the half-hourly electricity demand of Victoria in 2014."""
    from examples.electricity.download import write_electricity

    report = write_electricity(out, force)
    click.echo(f"{_verb(report.written)} {report.rows:,} half hours in {report.out}")
    return 0


@data.command()
@_output("data/reviews")
def reviews(out: Path, force: bool) -> int:
    """Write 5,000 reviews of food, 1,000 of them for the test."""
    from examples.reviews.download import write_reviews

    report = write_reviews(out, force)
    click.echo(f"{_verb(report.written)} {report.rows:,} reviews in {report.out}")
    return 0


@data.command()
@_output("data/mixed")
def mixed(out: Path, force: bool) -> int:
    """Write 50,000 flights, each with its weather of a day and the name of its airline."""
    from examples.mixed.download import write_mixed

    report = write_mixed(out, force)
    click.echo(f"{_verb(report.written)} {report.rows:,} flights in {report.out}")
    return 0


def _verb(written: bool) -> str:
    return "wrote" if written else "already there:"
