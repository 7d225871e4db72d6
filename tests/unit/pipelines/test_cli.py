"""The command: quick, quiet, and its exit status tells."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import ConfigError, DataError
from pipelines import cli
from pipelines.unexpected_errors import explain_unexpected

CONFIG = """\
name: demo
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: data.csv}
"""
HEAVY = ("tensorflow", "tfx", "keras", "apache_beam", "pandas", "pyarrow", "pydantic", "yaml")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KELP_DEBUG", raising=False)
    (tmp_path / "demo.yaml").write_text(CONFIG)
    (tmp_path / "data.csv").write_text("x,y\n" + "1.5,0\n2.5,1\n3.5,1\n4.5,0\n" * 25)
    return tmp_path


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pipelines.cli import main; status = main(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules]); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Usage: kelp" in done.stdout


def test_check_and_init_import_no_tensorflow(workplace: Path) -> None:
    code = (
        "import sys; from pipelines.cli import main;"
        "main(['init', 'demo', '--data', 'data.csv', '--label', 'y']);"
        "main(['check', 'configs/demo.yaml']);"
        "print([name for name in ('tensorflow', 'tfx', 'apache_beam') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=workplace
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["rum"], "rum"),
        (["run"], "CONFIG"),
        (["run", "demo.yaml", "--bogus"], "--bogus"),
        (["run", "demo.yaml", "training.epohcs=3"], "did you mean 'epochs'?"),
        (["run", "nope.yaml"], "did you mean demo.yaml?"),
        (["init", "demo"], "--data"),
        (["lr"], "CONFIG"),
        (["lr", "demo.yaml", "--low", "0.5"], "--high is at least ten times as much"),
        (["summary", "demo"], "there is no run 'demo'"),
        (["summary"], "there is no run"),
        ([], "Usage: kelp"),
        (["data"], "Usage: kelp data"),
    ],
)
def test_argument_errors(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reported: str
) -> None:
    assert cli.main(arguments) == cli.ARGUMENT_ERROR
    err = capsys.readouterr().err
    assert reported in err
    assert "Traceback" not in err
    if arguments not in ([], ["data"]):
        assert len(err.splitlines()) <= 10


def test_run_hands_over_to_the_local_runner(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def record(
        loaded: object,
        start: str | None,
        use_cache: bool,
        *,
        require_blessing: bool,
        jobs: int | None,
    ) -> int:
        seed = loaded.config.seed  # type: ignore[attr-defined]
        seen.append((seed, start, use_cache, require_blessing, jobs))
        return 3

    monkeypatch.setattr("pipelines.local.run", record)
    assert cli.main(["run", "demo.yaml", "--from", "Trainer", "seed=5"]) == 3
    options = ["--no-cache", "--require-blessing", "--jobs", "2"]
    assert cli.main(["run", "demo.yaml", *options]) == 3
    assert seen == [(5, "Trainer", True, False, None), (0, None, False, True, 2)]


def test_run_refuses_a_schema_that_is_not_there(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "demo.yaml", "data.schema=x.pbtxt"]) == cli.ARGUMENT_ERROR
    assert "kelp schema freeze" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "reported"),
    [
        (ConfigError("wrong key"), 2, "error: wrong key"),
        (DataError("wrong row"), 1, "error: wrong row"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), 1, "make room"),
        (PermissionError(errno.EACCES, "Permission denied", "runs/y"), 1, "runs/y"),
        (ZeroDivisionError("odd"), 1, "unexpected ZeroDivisionError: odd"),
    ],
)
def test_exit_status_by_error(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    reported: str,
) -> None:
    def fail(*arguments: object, **options: object) -> int:
        raise error

    monkeypatch.setattr("examples.flights.download.write_flights", fail)
    assert cli.main(["data", "flights"]) == status
    err = capsys.readouterr().err
    assert reported in err
    assert "Traceback" not in err


def test_the_trace_of_the_unexpected_is_kept(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = explain_unexpected(ValueError("odd"))
    (trace,) = Path("runs").glob("error-*.txt")
    assert str(trace) in problem.where
    assert "ValueError: odd" in trace.read_text()
    monkeypatch.setenv("KELP_DEBUG", "1")
    with pytest.raises(ValueError, match="odd"):
        explain_unexpected(ValueError("odd"))


def test_the_trace_goes_elsewhere_where_runs_is_no_folder(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("runs").write_text("")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(workplace / "temporary"))
    assert "temporary" in explain_unexpected(ValueError("odd")).where
    Path("temporary-file").write_text("")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "temporary-file")
    assert explain_unexpected(ValueError("odd")).where == ""


def test_a_reader_that_leaves_early(workplace: Path) -> None:
    command = f"{sys.executable} -c 'from pipelines.cli import main; main([\"--help\"])' | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_check_passes_and_fails(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "demo.yaml"]) == 0
    assert "100 rows" in capsys.readouterr().out
    assert cli.main(["check", "demo.yaml", "label.name=z"]) == 1
    printed = capsys.readouterr()
    assert "error" in printed.out
    assert "'z' does not exist" in printed.err


def test_init_tells_what_it_wrote(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "mine", "--data", "data.csv", "--label", "y"]) == 0
    assert "wrote configs/mine.yaml" in capsys.readouterr().out
    assert cli.main(["init", "mine", "--data", "data.csv", "--label", "y"]) == 2
    assert cli.main(["init", "mine", "--data", "data.csv", "--label", "y", "--force"]) == 0
    assert cli.main(["check", "configs/mine.yaml"]) == 0


@pytest.mark.parametrize("target", ["demo", "demo.yaml", "runs/demo/latest", None])
def test_summary_finds_the_latest(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, target: str | None
) -> None:
    folder = workplace / "runs" / "demo" / "latest"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({}))
    seen: list[Path] = []
    monkeypatch.setattr("pipelines.commands.summary.show", seen.append)
    assert cli.main(["summary", *([target] if target else [])]) == 0
    assert seen == [folder.resolve()]


def test_summary_names_the_nearest(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = workplace / "runs" / "demo" / "latest"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text("{}")
    assert cli.main(["summary", "dmeo"]) == 2
    assert "did you mean 'demo'?" in capsys.readouterr().err
