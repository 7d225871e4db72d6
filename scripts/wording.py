"""Keeps words out of code and docs that readers of English stumble over; `make check` runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

# The left one is not used here; the right one says what a reader expects.
BETTER = {
    "told": "reported, printed or given",
    "mend": "fix",
    "misfit": "error, or inconsistency",
    "lapse": "error, or label noise",
}
# The changelog quotes old names; locks and this list are no prose.
EXEMPT = {"CHANGELOG.md", "requirements.lock", "docker/requirements.lock", "scripts/wording.py"}
_WORD = re.compile(r"(?<![a-z])(told|mend|misfit|lapse)(?:s|ed|ing)?(?![a-z])", re.IGNORECASE)


def misses(text: str) -> list[tuple[int, str]]:
    """Gives the line number and the word of each place in `text` to put in other words."""
    return [
        (number, match[1].lower())
        for number, line in enumerate(text.splitlines(), 1)
        for match in _WORD.finditer(line)
    ]


def main() -> int:
    """Prints each place in the files that git knows; 1 if there are any."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], check=True, capture_output=True, text=True
    ).stdout
    failed = False
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        if name in EXEMPT or path.suffix == ".png" or not path.is_file():
            continue
        for number, word in misses(path.read_text(encoding="utf-8", errors="ignore")):
            print(f"{name}:{number}: {word!r}: say {BETTER[word]}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
