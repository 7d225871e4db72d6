"""`kelp data`: the example data sets."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def data() -> None:
    """Get data sets."""


@data.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("data/flights"), show_default=True
)
@click.option("--force", is_flag=True, help="Write them again.")
def flights(out: Path, force: bool) -> int:
    """Write the flights that left New York in 2013, with their weather."""
    from examples.flights.download import write_flights

    report = write_flights(out, force)
    verb = "wrote" if report.written else "already there:"
    click.echo(
        f"{verb} {report.rows:,} flights, {len(report.columns)} columns, "
        f"{len(report.files)} spans in {report.out}"
    )
    return 0


@data.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("data/digits"), show_default=True
)
@click.option("--force", is_flag=True, help="Write them again.")
def digits(out: Path, force: bool) -> int:
    """Write 5,000 handwritten digits of MNIST, a folder of PNGs for each digit."""
    from examples.digits.images import write_digits

    report = write_digits(out, force)
    verb = "wrote" if report.written else "already there:"
    click.echo(f"{verb} {report.rows:,} images in {report.out}")
    return 0


@data.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("data/electricity"), show_default=True
)
@click.option("--force", is_flag=True, help="Write them again.")
def electricity(out: Path, force: bool) -> int:
    """Write the half-hourly electricity demand of Victoria in 2014."""
    from examples.electricity.download import write_electricity

    report = write_electricity(out, force)
    click.echo(
        f"{'wrote' if report.written else 'already there:'} {report.rows:,} half hours in {out}"
    )
    return 0


@data.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("data/reviews"), show_default=True
)
@click.option("--force", is_flag=True, help="Write them again.")
def reviews(out: Path, force: bool) -> int:
    """Write 5,000 reviews of food, 1,000 of them for the test."""
    from examples.reviews.download import write_reviews

    report = write_reviews(out, force)
    verb = "wrote" if report.written else "already there:"
    click.echo(f"{verb} {report.rows:,} reviews in {report.out}")
    return 0
