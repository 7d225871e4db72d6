"""The pipelines of a component share a job server, which ends with the component."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.beam.job_servers import shared_job_server, shared_job_servers


class _Server:
    """Beam's job server, which counts its starts and ends."""

    def __init__(self, master: str = "[local]") -> None:
        self.master, self.starts, self.stops = master, 0, 0
        self._java_launcher, self._jvm_properties = "java", ["-Xmx900m"]

    def path_to_jar(self) -> str:
        return "server.jar"

    def java_arguments(self, *_: Any) -> list[Any]:
        return ["--flink-master", self.master]

    def start(self) -> str:
        self.starts += 1
        return f"stub {self.starts}"

    def stop(self) -> None:
        self.stops += 1


def _shared(server: Any) -> Any:
    return shared_job_server(server)


def test_one_starts_for_all_pipelines_and_stops_at_the_end() -> None:
    first, second = _Server(), _Server()
    with shared_job_servers():
        assert [_shared(server).start() for server in (first, second, first)] == ["stub 1"] * 3
        assert first.stops == 0
    assert (first.starts, first.stops) == (1, 1)
    assert (second.starts, second.stops) == (0, 0)


def test_other_settings_get_a_server_of_their_own() -> None:
    first, second = _Server(), _Server("127.0.0.1:8081")
    with shared_job_servers():
        for server in (first, second):
            _shared(server).start()
    assert (first.starts, second.starts, first.stops, second.stops) == (1, 1, 1, 1)


def test_it_stops_where_the_component_fails() -> None:
    server = _Server()

    def component() -> None:
        with shared_job_servers():
            _shared(server).start()
            raise ValueError("the component")

    with pytest.raises(ValueError, match="the component"):
        component()
    assert server.stops == 1


def test_one_that_did_not_start_is_not_stopped() -> None:
    server = _Server()
    with shared_job_servers():
        _shared(server)
    assert server.stops == 0


def test_a_pipeline_outside_of_a_component_has_its_own() -> None:
    assert _shared(_Server()) is None
    with shared_job_servers():
        pass
    assert _shared(_Server()) is None
