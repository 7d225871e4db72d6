"""Commands that run components have one fixed hash of each string; others start once."""

import os
import subprocess
import sys

import pytest

from pipelines.hash_seed import fix_hash_seed

PROGRAM = (
    "import os, sys; from pipelines.hash_seed import fix_hash_seed; fix_hash_seed(sys.argv[1:]);"
    "print(hash('kelp'), os.getpid(), sys.argv[1:])"
)


def _start(*arguments, **environment):
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=inherited | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    digest, identifier, given = output.split(maxsplit=2)
    assert int(identifier) == process.pid  # signals sent to the command still reach it
    assert given.strip() == str(list(arguments))
    return int(digest)


def test_two_runs_hash_alike():
    expected = _start(PYTHONHASHSEED="0")
    drawn = {_start("run", "a b.yaml"), _start("node", PYTHONHASHSEED="random")}
    assert drawn == {expected}


def test_a_seed_of_the_users_own_is_kept():
    assert _start("run", PYTHONHASHSEED="7") == _start(PYTHONHASHSEED="7")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["predict", "run"]])
def test_other_commands_are_not_started_again(arguments, monkeypatch):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("was started again"))
    fix_hash_seed(arguments)
