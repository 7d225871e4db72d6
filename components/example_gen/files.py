"""Which files hold the raw data: paths, globs, spans and versions."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Literal

from components.example_gen.config import IngestSpec
from components.example_gen.image_files import (
    holds_images,
    is_image_folder,
    may_be_image,
    refuse_lone_images,
)
from contracts.errors import ConfigError, DataError
from contracts.images import IMAGE_SUFFIXES
from contracts.storage.location import Location, is_remote, parse_location
from contracts.storage.objects import StoredFile, find_file, list_files, list_names, open_stream
from contracts.text import nearest

Format = Literal["csv", "parquet", "images"]
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
}
_TITLES: dict[Format, str] = {
    "csv": "CSV",
    "parquet": "Parquet",
    "images": "image",
}
_COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
_HEAD_BYTES = 64
# What cannot begin a CSV file: their first line would be taken for its columns.
_OTHER_FORMATS = (
    (rb"\s*(\{\s*\"|\[\s*[{\[])", "JSON"),
    (rb"PK\x03\x04", "an Excel or zip file"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel file"),
)
_PLACEHOLDER = re.compile(r"\{(SPAN|VERSION)(?::(\d+))?\}")
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]")


@dataclass(frozen=True)
class Source:
    """One raw file, and the span and version it belongs to."""

    path: str
    span: int = 0
    version: int = 0


@dataclass(frozen=True)
class Selection:
    """The raw files of one run, all of one format, in a fixed order."""

    sources: tuple[Source, ...]
    format: Format

    @property
    def newest_span(self) -> int:
        """The highest span among the files; 0 where the path has no spans."""
        return max(source.span for source in self.sources)


def select_files(spec: IngestSpec) -> Selection:
    """Finds the files that `spec` names.

    Raises:
      ConfigError: `data.spans` picks spans, and `data.path` has none.
      DataError: Nothing matches, no span is left, or the formats are mixed.
    """
    if "{SPAN" not in spec.path and spec.spans != "all":
        raise ConfigError(
            f"data.spans is {spec.spans!r}, but data.path has no {{SPAN}}",
            where=f"{spec.where}: data.spans",
            expected="a path such as data/flights/span-{SPAN}/*.parquet",
            received=spec.path,
        )
    matching = _match(spec.path, images_only=spec.format == "images")
    existing = _newest_versions([source for source in matching if _fits(source, spec)])
    if not existing:
        raise _nothing_found(spec)
    wanted = choose_spans({source.span for source in existing}, spec.spans)
    sources = tuple(source for source in existing if source.span in wanted)
    if not sources:
        raise DataError(
            f"no span matches data.spans {spec.spans!r}",
            where=f"{spec.where}: data.spans",
            expected="spans " + _ranges({source.span for source in existing}),
            received=spec.spans,
        )
    refuse_lone_images([source.path for source in sources], spec.where)
    return Selection(sources, _one_format(spec, [source.path for source in sources]))


def choose_spans(existing: Iterable[int], spans: str) -> frozenset[int]:
    """Gives those of the existing spans that `spans` (`all`, `5`, `3-8`, `last 3`) names."""
    ordered = sorted(set(existing))
    if spans == "all":
        return frozenset(ordered)
    if spans.startswith("last "):
        count = int(spans.removeprefix("last "))
        return frozenset(ordered[-count:] if count else [])
    low, _, high = spans.partition("-")
    return frozenset(span for span in ordered if int(low) <= span <= int(high or low))


def _match(pattern: str, images_only: bool) -> list[Source]:
    if is_remote(pattern):
        return _match_objects(pattern, images_only)
    literal = Path(pattern)
    if literal.exists():
        return [Source(path) for path in _expand(literal, images_only)]
    regex = re.compile(_to_regex(pattern))
    sources = []
    # Path.glob takes no absolute pattern.
    for path in sorted(glob.glob(_PLACEHOLDER.sub("*", pattern), recursive=True)):  # noqa: PTH207
        hit = regex.fullmatch(path.rstrip("/"))
        if hit is None:
            continue
        groups = hit.groupdict()
        span, version = int(groups.get("SPAN") or 0), int(groups.get("VERSION") or 0)
        sources += [Source(file, span, version) for file in _expand(Path(path), images_only)]
    unique = {source.path: source for source in sources}
    return sorted(unique.values(), key=lambda source: (source.span, source.path))


def _match_objects(pattern: str, images_only: bool) -> list[Source]:
    """As `_match`, in a bucket: one listing below what the pattern says without wildcards."""
    literal = parse_location(pattern)
    if find_file(literal) is not None:
        return [Source(str(literal))]
    wildcard = re.search(f"{_PLACEHOLDER.pattern}|{_GLOB.pattern}", literal.key)
    if wildcard is None:
        files = list_files(literal)
        return [Source(path) for path in _data_below(str(literal), files, images_only)]
    folder = literal.key[: wildcard.start()].rpartition("/")[0]
    base, regex = literal.root / folder, re.compile(_to_regex(str(literal)))
    files = list_files(base)
    hits: dict[str, re.Match[str]] = {}
    for file in files:
        path = str(file.location)
        places = [path, *_parents(path, str(base))]
        if not _hidden(PurePosixPath(path[len(str(base)) + 1 :]), marks=(".",)):
            hits |= {place: hit for place in places if (hit := regex.fullmatch(place))}
    sources = {}
    for place, hit in sorted(hits.items()):
        groups = hit.groupdict()
        span, version = int(groups.get("SPAN") or 0), int(groups.get("VERSION") or 0)
        for path in _data_below(place, files, images_only):
            sources[path] = Source(path, span, version)
    return sorted(sources.values(), key=lambda source: (source.span, source.path))


def _parents(path: str, base: str) -> list[str]:
    """The folders that an object is in, below a base."""
    parts = path[len(base) + 1 :].split("/")[:-1]
    return [f"{base}/{'/'.join(parts[:depth])}" for depth in range(1, len(parts) + 1)]


def _data_below(place: str, files: Sequence[StoredFile], images_only: bool) -> list[str]:
    """As `_expand`, of the object or the folder of this address."""
    paths = [str(file.location) for file in files]
    if place in paths:
        return [place]
    below = {path: path[len(place) + 1 :] for path in paths if path.startswith(f"{place}/")}
    tables = [
        path
        for path, relative in below.items()
        if not images_only
        and _format_of_name(PurePosixPath(relative))
        and not _hidden(PurePosixPath(relative))
    ]
    return tables or ([f"{place}/"] if any(map(may_be_image, below.values())) else [])


def _fits(source: Source, spec: IngestSpec) -> bool:
    named = _format_of_name(Path(source.path))
    return spec.format == "auto" or named is None or named == spec.format


def _expand(path: Path, images_only: bool) -> list[str]:
    """The tables in a folder; the folder itself, where it holds images and no table."""
    if path.is_file():
        return [str(path)]
    tables = () if images_only else path.rglob("*")
    paths = sorted(
        str(file)
        for file in tables
        if _format_of_name(file) and file.is_file() and not _hidden(file.relative_to(path))
    )
    return paths or ([str(path)] if holds_images(path) else [])


def _hidden(path: PurePath, marks: tuple[str, ...] = (".", "_")) -> bool:
    return any(part.startswith(marks) for part in path.parts)


def _to_regex(pattern: str) -> str:
    """Turns a pattern into a regex; a placeholder that comes again must match the same."""
    seen: set[str] = set()
    out, position = "", 0
    pattern = pattern.rstrip("/")
    for token in re.finditer(f"{_PLACEHOLDER.pattern}|{_GLOB.pattern}", pattern):
        out += re.escape(pattern[position : token.start()])
        position = token.end()
        name, width = token.group(1), token.group(2)
        if name in seen:
            out += f"(?P={name})"
        elif name:
            seen.add(name)
            out += f"(?P<{name}>\\d{{{width}}})" if width else f"(?P<{name}>\\d+)"
        else:
            out += _glob_to_regex(token.group(0))
    return out + re.escape(pattern[position:])


def _glob_to_regex(token: str) -> str:
    simple = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return simple[token] if token in simple else token.replace("[!", "[^")


def _newest_versions(sources: Sequence[Source]) -> list[Source]:
    newest: dict[int, int] = {}
    for source in sources:
        newest[source.span] = max(source.version, newest.get(source.span, 0))
    return [source for source in sources if source.version == newest[source.span]]


def _format_of_name(path: PurePath) -> Format | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def _one_format(spec: IngestSpec, paths: Sequence[str]) -> Format:
    if spec.format != "auto":
        return spec.format
    by_format: dict[Format, str] = {}
    for path in paths:
        by_format.setdefault(format_of(path), path)
    if len(by_format) > 1:
        raise DataError(
            f"data.path holds both {' and '.join(_TITLES[name] for name in by_format)} files",
            where=f"{spec.where}: data.path",
            expected="files of one format",
            received=" and ".join(by_format.values()),
            fix="narrow data.path to one of them, such as PATH/*.parquet",
        )
    return next(iter(by_format))


def format_of(path: str) -> Format:
    """Gives the format of one file, by its name or else by how it begins; folders hold images."""
    if is_image_folder(path):
        return "images"
    return _format_of_name(Path(path)) or _format_of_bytes(path)


def _format_of_bytes(path: str) -> Format:
    with open_stream(path, compression=None) as file:
        head = bytes(file.read(_HEAD_BYTES))
    if head.startswith(b"PAR1"):
        return "parquet"
    other = next((name for mark, name in _OTHER_FORMATS if re.match(mark, head)), None)
    if other is not None:
        raise DataError(
            f"{path} is {other}, which Kelp does not read",
            where=path,
            expected="a CSV or Parquet file",
            received=f"a file that begins with {head[:20]!r}",
            fix="write it as Parquet, for example by pandas: DataFrame.to_parquet",
        )
    return "csv"


def _nothing_found(spec: IngestSpec) -> DataError:
    if is_remote(spec.path):
        return _nothing_in_bucket(spec, parse_location(spec.path))
    path = Path(_PLACEHOLDER.sub("*", spec.path))
    if path.is_dir():
        return DataError(
            f"the folder {spec.path} holds no CSV or Parquet file and no image",
            where=f"{spec.where}: data.path",
            expected=f"files named *{', *'.join([*_SUFFIXES, *IMAGE_SUFFIXES])}",
        )
    near = ""
    if path.parent.is_dir():
        names = [entry.name for entry in path.parent.iterdir()]
        close = nearest(path.name, names)
        near = f"did you mean {path.parent / close}?" if close else ""
    return DataError(
        f"no file matches data.path {spec.path}",
        where=f"{spec.where}: data.path",
        expected="a file, a folder or a glob that exists",
        received=spec.path,
        fix=near,
    )


def _nothing_in_bucket(spec: IngestSpec, place: Location) -> DataError:
    parent = Location(place.scheme, place.bucket, place.key.rpartition("/")[0])
    close = nearest(place.name, list_names(parent))
    return DataError(
        f"no object matches data.path {spec.path}",
        where=f"{spec.where}: data.path",
        expected="a file, a folder or a glob of files named "
        f"*{', *'.join([*_SUFFIXES, *IMAGE_SUFFIXES])}",
        received="an object that stands for a folder, and no data" if close == place.name else "",
        fix=f"did you mean {parent / close}?" if close and close != place.name else "",
    )


def _ranges(spans: Iterable[int]) -> str:
    """Writes spans as `1-4, 7`."""
    runs: list[list[int]] = []
    for span in sorted(spans):
        if runs and span == runs[-1][1] + 1:
            runs[-1][1] = span
        else:
            runs.append([span, span])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
