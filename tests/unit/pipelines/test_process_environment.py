"""Commands that run components have a fixed environment; others start once."""

import json
import os
import subprocess
import sys

import pytest

from pipelines.process_environment import fix_environment

FIXED = ("PYTHONHASHSEED", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY")
PROGRAM = """
import json, os, sys
from pipelines.process_environment import fix_environment
fix_environment(sys.argv[1:])
from threadpoolctl import threadpool_info
import numpy
threads = [pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"]
said = {"pid": os.getpid(), "arguments": sys.argv[1:], "hash": hash("kelp"), "threads": threads}
print(json.dumps(dict(os.environ) | said))
"""


def _start(*arguments, **environment):
    inherited = {name: value for name, value in os.environ.items() if name not in FIXED}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=inherited | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    said = json.loads(output)
    assert said["pid"] == process.pid  # signals sent to the command still reach it
    assert said["arguments"] == list(arguments)
    return said


def test_two_runs_hash_alike():
    expected = _start(PYTHONHASHSEED="0")["hash"]
    drawn = [_start("run", "a b.yaml"), _start("node", PYTHONHASHSEED="random")]
    assert [said["hash"] for said in drawn] == [expected, expected]


def test_components_beside_each_other_do_not_wait_for_threads():
    said = _start("run", PYTHONHASHSEED="0")
    assert said["threads"] == [1]
    assert said["OMP_WAIT_POLICY"] == "PASSIVE"


def test_what_the_user_has_set_is_kept():
    own = {"PYTHONHASHSEED": "7", "OPENBLAS_NUM_THREADS": "2", "OMP_WAIT_POLICY": "ACTIVE"}
    said = _start("run", **own)
    assert {name: said[name] for name in FIXED} == own


@pytest.mark.parametrize("arguments", [[], ["--help"], ["predict", "run"]])
def test_other_commands_are_not_started_again(arguments, monkeypatch):
    for name in FIXED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("was started again"))
    fix_environment(arguments)


# As `kelp-beam-worker --pool=1`: its pool forks one worker, which prints what it hashes.
POOL = """
import multiprocessing, sys, types
from pipelines.beam import worker

def serve_pool(port):
    context = multiprocessing.get_context("forkserver")
    forked = context.Process(target=exec, args=("print(hash('kelp'), flush=True)",))
    forked.start()
    forked.join()
    print(hash("kelp"))

sys.modules["pipelines.beam.pool"] = types.SimpleNamespace(serve_pool=serve_pool)
sys.exit(worker.main())
"""


def test_the_workers_of_a_cluster_hash_as_a_run_does():
    inherited = {name: value for name, value in os.environ.items() if name not in FIXED}
    output = subprocess.check_output(
        [sys.executable, "-c", POOL, "--pool=1"], env=inherited, text=True, timeout=60
    )
    assert output.split() == [str(_start(PYTHONHASHSEED="0")["hash"])] * 2
