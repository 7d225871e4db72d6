"""What each task does: writes the config that travels with the pipeline, and starts `kelp`.

Kubeflow takes the source of the function out of this file and runs it in the image, whose `kelp`
may be of another version: the function uses nothing from outside of itself.
"""


def run_kelp(files: str, place: str, command: list[str], run_id: str, folder: str) -> None:
    """Runs one command of Kelp.

    Args:
      files: JSON: the text of each file that travels along, by its path beside the config.
      place: The folder for them, below that for temporary files. It is part of the cache's key,
        and so the same in each run.
      command: The arguments of `kelp`; CONFIG/ begins the config's path, RUN_ID is the run's id.
      run_id: Kubeflow's id of the run.
      folder: The folder to work in; empty for one that ends with the task.
    """
    import json
    import os
    import shutil
    import signal
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    configs = Path(tempfile.gettempdir(), place)
    for name, text in json.loads(files).items():
        target = configs / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Another task may read it on the same machine: it is replaced in one step.
        with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, target)  # noqa: PTH105
    kelp = Path(sys.executable).with_name("kelp")
    words = [
        run_id
        if word == "RUN_ID"
        else word.replace("CONFIG/", f"{configs}/", 1)
        if word.startswith("CONFIG/")
        else word
        for word in command
    ]
    executable = str(kelp) if kelp.exists() else shutil.which("kelp")
    if executable is None:
        sys.exit("there is no kelp in this image: build it with docker/Dockerfile")
    process = subprocess.Popen([executable, *words], cwd=folder or tempfile.mkdtemp())
    # A task that is ended gives the node the time to remove what it has not finished.
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    status = process.wait()
    if status:
        sys.exit(f"kelp {' '.join(words)}: exit status {status}")
