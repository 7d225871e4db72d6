"""A schedule as units of systemd: a timer, a service and what alerts."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

from contracts.errors import EnvironmentProblem
from contracts.files import save_text
from pipelines.schedules.calendar_events import calendar_events
from pipelines.schedules.job import GRACE_S, Job


def unit_files(job: Job) -> dict[str, str]:
    """Gives the text of each unit, by the name of its file.

    A timer never starts a service that still runs: that is the lock.
    """
    where = f"{job.loaded.config.name} ({job.loaded.path})"
    alert = job.on_failure or shlex.join(["logger", "--priority", "user.err", job.message])
    events = "".join(f"OnCalendar={event}\n" for event in calendar_events(job.cron, job.timezone))
    return {
        f"{job.name}.timer": _UNIT_OF_TIMER.format(what=_plain(where), events=events),
        f"{job.name}.service": _UNIT_OF_SERVICE.format(
            what=_plain(where),
            name=job.name,
            folder=_specifiers(str(job.folder)),
            command=" ".join(map(_quoted, job.command)),
            timeout=job.timeout_s,
            grace=GRACE_S,
        ),
        f"{job.name}-failed.service": _UNIT_OF_ALERT.format(
            what=_plain(where), command=_quoted(alert)
        ),
    }


_UNIT_OF_TIMER = """\
[Unit]
Description=When the pipeline {what} runs

[Timer]
{events}AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""
_UNIT_OF_SERVICE = """\
[Unit]
Description=The pipeline {what}
OnFailure={name}-failed.service

[Service]
Type=oneshot
WorkingDirectory={folder}
ExecStart={command}
TimeoutStartSec={timeout}
TimeoutStopSec={grace}
KillMode=mixed
KillSignal=SIGINT
SyslogIdentifier={name}
"""
_UNIT_OF_ALERT = """\
[Unit]
Description=The alert after a failure of the pipeline {what}

[Service]
Type=oneshot
ExecStart=/bin/sh -c {command}
"""


def install(job: Job, folder: Path) -> list[str]:
    """Writes the units for the user's own systemd, and starts the timer.

    Args:
      job: What to run.
      folder: Where the user's units are.

    Returns:
      What was done, in lines.

    Raises:
      EnvironmentProblem: there is no systemd for this user, or it refused them.
    """
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        raise EnvironmentProblem(
            "There is no systemd to install the units in.",
            where="--install",
            expected="systemctl on the path",
            fix="print the units without --install, or use --as crontab",
        )
    folder.mkdir(parents=True, exist_ok=True)
    units = unit_files(job)
    for name, text in units.items():
        save_text(folder / name, text)
    for arguments in (["daemon-reload"], ["enable", "--now", f"{job.name}.timer"]):
        done = subprocess.run(
            [systemctl, "--user", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise EnvironmentProblem(
                "systemd did not start the timer.",
                where=f"systemctl --user {' '.join(arguments)}",
                received=done.stderr.strip() or f"exit status {done.returncode}",
                fix=f"the units are in {folder}; `systemctl --user status` says more",
            )
    return [f"wrote {folder / name}" for name in units] + [
        f"started {job.name}.timer; `loginctl enable-linger` keeps it running after you log out"
    ]


def _plain(text: str) -> str:
    return _specifiers(" ".join(text.split()))


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Gives one word of a command line as systemd reads it back."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_specifiers(escaped).replace("$", "$$")}"'
