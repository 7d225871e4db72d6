"""A schedule as lines of a user's crontab."""

from __future__ import annotations

import shlex
import shutil
import subprocess

from contracts.errors import ConfigError, EnvironmentProblem
from pipelines.schedules.job import GRACE_S, Job

# Cron cuts longer lines off.
_LONGEST_LINE = 998
_COMMENT = "# Cron mails what it prints, which it does after a failure, to MAILTO."


def crontab_lines(job: Job) -> str:
    """Gives the lines of one schedule, between two comments that mark them.

    The line is silent while runs succeed. After a failure it prints, which cron mails to
    MAILTO, and does what `on_failure` says.

    Raises:
      ConfigError: cron cannot do what the schedule asks for.
    """
    if job.timezone is not None:
        raise ConfigError(
            "Debian's cron reads every line in the machine's own time zone.",
            where="--timezone",
            expected="no --timezone with --as crontab",
            received=job.timezone,
            fix="use --as systemd, or give the expression in the machine's time zone",
        )
    # Cron takes a bare percent sign for the end of the line.
    command = _command(job).replace("%", "\\%")
    line = f"{job.cron} {command}"
    if "\n" in line:
        raise ConfigError(
            "Cron takes each line for a schedule of its own.",
            where=str(job.loaded.path),
            expected="overrides, --on-failure and paths without line breaks",
            fix="put the overrides into a config of its own, or use --as systemd",
        )
    size = len(line.encode())
    if size > _LONGEST_LINE:
        raise ConfigError(
            "The line is too long for cron.",
            where=str(job.loaded.path),
            expected=f"at most {_LONGEST_LINE} bytes",
            received=str(size),
            fix="put the overrides into a config of its own, or use --as systemd",
        )
    first, last = _marks(job)
    return "\n".join([first, _COMMENT, line, last, ""])


def install(job: Job) -> list[str]:
    """Puts the lines into the user's crontab, in place of earlier ones of the same pipeline.

    Raises:
      EnvironmentProblem: there is no cron, or it refused them.
    """
    crontab = shutil.which("crontab")
    if crontab is None:
        raise EnvironmentProblem(
            "There is no cron to install the line in.",
            where="--install",
            expected="crontab on the path",
            fix="apt-get install cron, or use --as systemd",
        )
    listed = subprocess.run([crontab, "-l"], capture_output=True, text=True, check=False)
    kept = _without(job, listed.stdout if listed.returncode == 0 else "")
    done = subprocess.run(
        [crontab, "-"],
        input=kept + crontab_lines(job),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise EnvironmentProblem(
            "cron refused the line.",
            where="crontab -",
            received=done.stderr.strip() or f"exit status {done.returncode}",
            fix="print it without --install to see it",
        )
    return [f"installed {job.name} in your crontab; `crontab -l` shows it"]


def _command(job: Job) -> str:
    """The shell's command: one at a time, ended when it takes too long, logged."""
    log = shlex.quote(str(job.runs / "schedule.log"))
    limited = [
        *("flock", "--nonblock", "--verbose", str(job.runs / ".schedule.lock")),
        *("timeout", "--signal=INT", f"--kill-after={GRACE_S}", str(job.timeout_s)),
        *job.command,
    ]
    alert = f"{{ echo {shlex.quote(job.message)}: see {log}; {job.on_failure or 'false'}; }}"
    return (
        f"mkdir -p {shlex.quote(str(job.runs))} && cd {shlex.quote(str(job.folder))} && "
        f"{shlex.join(limited)} >> {log} 2>&1 || {alert}"
    )


def _marks(job: Job) -> tuple[str, str]:
    return f"# {job.name}: begin", f"# {job.name}: end"


def _without(job: Job, text: str) -> str:
    """The crontab without the lines between this pipeline's marks."""
    first, last = _marks(job)
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        inside = inside or line.rstrip("\n") == first
        if not inside:
            kept.append(line if line.endswith("\n") else f"{line}\n")
        inside = inside and line.rstrip("\n") != last
    return "".join(kept)
