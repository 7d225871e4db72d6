"""Kubeflow's API, by its own client: pipelines and schedules by name, errors for the reader."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import ConfigError, EnvironmentProblem
from contracts.text import shorten
from pipelines.config.problem import LoadedConfig
from pipelines.kubeflow.compile import kfp_installed, pipeline_name
from pipelines.kubeflow.config import without_credentials

if TYPE_CHECKING:
    import kfp

HOST_VARIABLE = "KF_PIPELINES_ENDPOINT"
TOKEN_VARIABLE = "KELP_KUBEFLOW_TOKEN"
_TIMEOUT_S = 10
_PAGE = 100
# Kubeflow gives a run that goes on an end, too: the year 1970.
_ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED", "CANCELING")


@dataclass(frozen=True)
class Version:
    """A version of a pipeline, as Kubeflow has it."""

    pipeline: str
    version: str
    name: str


class Kubeflow:
    """One Kubeflow, asked for one config's pipeline.

    Args:
      loaded: The config.
      host: The address; that of the config, or of the environment, where None.

    Raises:
      ConfigError: no address is known.
      EnvironmentProblem: the SDK is not installed, or nobody answers as Kubeflow does.
    """

    def __init__(self, loaded: LoadedConfig, host: str | None) -> None:
        with kfp_installed():
            import kfp

        self._spec = loaded.config.kubeflow
        self.name = pipeline_name(loaded)
        self.host = _address(host or self._spec.host or os.environ.get(HOST_VARIABLE))
        token = os.environ.get(TOKEN_VARIABLE)
        multi_user = _multi_user(self.host, token)
        # Only where Kubeflow has several users does it take a namespace.
        self._namespace = self._spec.namespace if multi_user else None
        with self._asking("connect"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is for Kubeflow 2, which it is
            self._client: kfp.Client = kfp.Client(
                host=self.host, namespace=self._namespace or "kubeflow", existing_token=token
            )

    def upload(self, text: str, folder: Path) -> Version:
        """Makes the pipeline, or a new version of it; one that is there already stays.

        Args:
          text: The compiled pipeline.
          folder: Where it may be written to be sent.
        """
        package = folder / "pipeline.yaml"
        package.write_text(text, encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        name = f"{self.name}-{digest}"
        with self._asking("upload the pipeline"):
            pipeline = self._pipeline()
            if pipeline is None:
                made = self._client.upload_pipeline(
                    str(package), pipeline_name=self.name, namespace=self._namespace
                )
                pipeline = made.pipeline_id
            found = self._version(pipeline, name)
            if found is None:
                sent = self._client.upload_pipeline_version(
                    str(package), pipeline_version_name=name, pipeline_id=pipeline
                )
                found = sent.pipeline_version_id
        return Version(pipeline, found, name)

    def run(self, version: Version) -> str:
        """Starts a run of a version, and gives its id."""
        with self._asking("start the run"):
            experiment = self._experiment()
            started = self._client.run_pipeline(
                experiment,
                job_name=version.name,
                pipeline_id=version.pipeline,
                version_id=version.version,
                service_account=self._spec.service_account,
            )
        return str(started.run_id)

    def schedule(self, version: Version, cron: str) -> str:
        """Makes the recurring run of the pipeline, in place of the one of its name.

        Kubeflow changes no recurring run: the new one is made, the old one removed, and only
        then does the new one begin, so that neither both run nor none is left.

        Args:
          version: What to run.
          cron: When, in six fields.
        """
        with self._asking("schedule the pipeline"):
            experiment = self._experiment()
            before = [one.recurring_run_id for one in self._recurring()]
            made = self._client.create_recurring_run(
                experiment,
                job_name=self.name,
                cron_expression=cron,
                max_concurrency=1,
                no_catchup=True,
                pipeline_id=version.pipeline,
                version_id=version.version,
                enabled=False,
                service_account=self._spec.service_account,
            )
            for one in before:
                self._client.delete_recurring_run(one)
            self._client.enable_recurring_run(made.recurring_run_id)
        return str(made.recurring_run_id)

    def recurring_runs(self) -> list[Any]:
        """The schedules of the pipeline."""
        with self._asking("list the schedules"):
            return self._recurring()

    def runs(self) -> Iterator[Any]:
        """The pipeline's runs, the latest first; Kubeflow lists them among those of others."""
        with self._asking("list the runs"):
            pipeline = self._pipeline()
        page: str | None = "" if pipeline is not None else None
        while page is not None:
            with self._asking("list the runs"):
                listed = self._client.list_runs(
                    page_token=page,
                    page_size=_PAGE,
                    sort_by="created_at desc",
                    namespace=self._namespace,
                )
            for run in listed.runs or []:
                version = run.pipeline_version_reference
                if version is not None and version.pipeline_id == pipeline:
                    yield run
            page = listed.next_page_token or None

    def stop(self, *, runs: bool) -> tuple[int, int]:
        """Removes the schedules, and ends unfinished runs where asked; gives how many."""
        with self._asking("stop the schedule"):
            schedules = self._recurring()
            for one in schedules:
                self._client.delete_recurring_run(one.recurring_run_id)
        ended = [run for run in self.runs() if run.state not in _ENDED] if runs else []
        with self._asking("end the runs"):
            for run in ended:
                self._client.terminate_run(run.run_id)
        return len(schedules), len(ended)

    def link(self, run: str) -> str:
        """The page of a run."""
        return f"{self.host}/#/runs/details/{run}"

    def _experiment(self) -> str:
        made = self._client.create_experiment(self._spec.experiment, namespace=self._namespace)
        return str(made.experiment_id)

    def _pipeline(self) -> str | None:
        """The pipeline of this name; where Kubeflow has several users, that of the namespace."""
        listed = self._client.list_pipelines(
            filter=_named(self.name), page_size=1, namespace=self._namespace
        )
        return next((one.pipeline_id for one in listed.pipelines or []), None)

    def _version(self, pipeline: str, name: str) -> str | None:
        listed = self._client.list_pipeline_versions(pipeline, filter=_named(name), page_size=1)
        return next((one.pipeline_version_id for one in listed.pipeline_versions or []), None)

    def _recurring(self) -> list[Any]:
        listed = self._client.list_recurring_runs(
            page_size=_PAGE, namespace=self._namespace, filter=_named(self.name)
        )
        return list(listed.recurring_runs or [])

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turns the client's errors into Kelp's; keeps what it prints to itself."""
        from kfp_server_api import ApiException
        from urllib3.exceptions import HTTPError

        try:
            with contextlib.redirect_stdout(io.StringIO()), _quiet_log():
                yield
        except ApiException as error:
            raise _refused(what, self.host, error.status, _said(error)) from error
        except HTTPError as error:
            raise _unreachable(self.host, error) from error
        except ValueError as error:
            raise _refused(what, self.host, None, str(error)) from error


def _address(host: str | None) -> str:
    if host is None:
        raise ConfigError(
            "No address of Kubeflow is known.",
            where="kubeflow.host",
            expected=f"--host, kubeflow.host in the config, or {HOST_VARIABLE}",
            fix="kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80, then "
            "--host http://127.0.0.1:8080",
        )
    try:
        without_credentials(host)
    except ValueError as error:
        raise ConfigError(str(error), where=f"--host, or {HOST_VARIABLE}") from error
    return (host if "://" in host else f"https://{host}").rstrip("/")


def _multi_user(host: str, token: str | None) -> bool:
    """Asks Kubeflow how it is, which the client tries for half a minute."""
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(f"{host}/apis/v2beta1/healthz", headers=headers, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable(host, error) from error
    if answer.status_code != httpx.codes.OK:
        raise _refused("connect", host, answer.status_code, answer.text)
    try:
        return bool(answer.json().get("multi_user", False))
    except (ValueError, AttributeError) as error:
        raise _refused("connect", host, None, shorten(answer.text)) from error


def _unreachable(host: str, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem(
        "Kubeflow cannot be reached.",
        where=host,
        expected="the address of Kubeflow Pipelines 2",
        received=shorten(str(error), 200),
        fix="correct --host or kubeflow.host; `kubectl port-forward` leads to a cluster's own",
    )


_FIXES = {
    401: f"set {TOKEN_VARIABLE} to a token, such as of `kubectl create token default-editor`",
    403: "ask for the rights, or take another kubeflow.namespace",
    404: "check the address: it ends before /apis/v2beta1",
}


def _refused(what: str, host: str, status: int | None, said: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"Kubeflow refused to {what}.",
        where=host,
        expected="the API of Kubeflow Pipelines 2, and the rights to use it",
        received=f"HTTP {status}: {said}" if status else said,
        fix=_FIXES.get(status or 0, ""),
    )


def _said(error: Any) -> str:
    """What the server says, which is JSON where it is Kubeflow."""
    body = error.body or error.reason or ""
    try:
        said = json.loads(body)
        return shorten(str(said.get("message") or said.get("error") or said), 300)
    except (ValueError, AttributeError):
        return shorten(str(body), 300)


def _named(name: str) -> str:
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


@contextlib.contextmanager
def _quiet_log() -> Iterator[None]:
    """Keeps the client's own log out of the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
