"""The files that a row of the examples came from, where the examples know them."""

from __future__ import annotations

import pyarrow as pa

from components.example_gen.config import path_column
from models.features.spec import FeaturesSpec

# A folder of images has it, where `data.keep` names it; a table has a `path_column` instead.
PATH_COLUMN = "path"


def known_files(problem: FeaturesSpec, known: list[str]) -> list[str]:
    """Which of the known columns of the examples hold the paths of files."""
    files = problem.file_columns()
    columns = (PATH_COLUMN, *map(path_column, files)) if files else ()
    return [name for name in columns if name in known]


def files_of_row(table: pa.Table, place: int, problem: FeaturesSpec) -> list[str]:
    """The files of a row of a table of examples."""
    columns = known_files(problem, table.column_names)
    paths = [table[name][place].as_py() for name in columns]
    # A table may have numbers in a column of that name.
    return [path for path in paths if isinstance(path, str)]
