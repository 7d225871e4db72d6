"""TFX's cache sees the content of the raw data, and nothing but it."""

from __future__ import annotations

import os
from pathlib import Path

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from components.example_gen.component import ColumnarExampleGen
from components.example_gen.config import IngestSpec, SharesSpec, SplitSpec
from contracts.errors import DataError


def run(root: Path, name: str, source_digest: str = "1") -> str:
    """Runs a pipeline of ExampleGen alone; gives its last execution's state."""
    spec = IngestSpec(
        path=str(root / "data" / "{SPAN}.csv"),
        format="auto",
        spans="all",
        delimiter=",",
        null_values=("",),
        split=SplitSpec(shares=SharesSpec(train=1, val=0, test=0)),
        columns=("a", "label"),
        numbers=("a",),
        label="label",
        task="binary",
        where="configs/mine.yaml",
    )
    connection = metadata.sqlite_metadata_connection_config(str(root / "metadata.db"))
    LocalDagRunner().run(
        pipeline.Pipeline(
            pipeline_name=name,
            pipeline_root=str(root / "out"),
            components=[ColumnarExampleGen(spec, source_digest)],
            enable_cache=True,
            metadata_connection_config=connection,
            beam_pipeline_args=["--runner=FnApiRunner"],
        )
    )
    store = mlmd.MetadataStore(connection)
    last = max(store.get_executions(), key=lambda execution: execution.id)
    state: str = pb.Execution.State.Name(last.last_known_state)
    return state


def test_only_new_content_or_new_source_runs_again(tmp_path: Path) -> None:
    data = tmp_path / "data" / "3.csv"
    data.parent.mkdir()
    data.write_text("a,label\n1,0\n2,1\n")
    assert run(tmp_path, "p") == "COMPLETE"
    assert run(tmp_path, "p") == "CACHED"
    os.utime(data, (1, 1))
    assert run(tmp_path, "p") == "CACHED"
    data.write_text("a,label\n1,0\n2,0\n")
    assert run(tmp_path, "p") == "COMPLETE"
    assert run(tmp_path, "p", source_digest="2") == "COMPLETE"
    store = mlmd.MetadataStore(
        metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db"))
    )
    artifacts = store.get_artifacts_by_type("Examples")
    assert {one.custom_properties["span"].int_value for one in artifacts} == {3}
    prints = [one.custom_properties["input_fingerprint"].string_value for one in artifacts]
    assert len(set(prints)) == 2
    data.unlink()
    with pytest.raises(DataError, match="no file matches"):
        run(tmp_path, "p")
