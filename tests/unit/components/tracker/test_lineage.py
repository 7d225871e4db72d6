"""A lineage tells one model, and one place in the metadata store, from another."""

from __future__ import annotations

from pathlib import Path

from components.tracker.lineage import describe_uri, folder_digest, lineage_tags


def _folder(root: Path, **files: str) -> Path:
    root.mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    return root


def test_a_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    same = [folder_digest(_folder(tmp_path / name, a="1", b="2")) for name in ("one", "two")]
    assert same[0] == same[1]
    others = {
        folder_digest(_folder(tmp_path / "renamed", a="1", c="2")),
        folder_digest(_folder(tmp_path / "changed", a="1", b="3")),
        folder_digest(_folder(tmp_path / "swapped", a="2", b="1")),
    }
    assert len(others | set(same)) == 4


def test_files_of_subfolders_count(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model", a="1")
    before = folder_digest(folder)
    (folder / "variables").mkdir()
    (folder / "variables" / "data").write_bytes(b"\0")
    assert folder_digest(folder) != before


def test_a_uri_tells_component_and_execution() -> None:
    result = describe_uri("/runs/flights/artifacts/Trainer/model/7")
    assert (result["component"], result["output"], result["execution"]) == ("Trainer", "model", 7)
    assert describe_uri("elsewhere")["execution"] is None


def test_tags_leave_out_what_is_unknown() -> None:
    model = {"uri": "a/Trainer/model/7", "id": 9, "execution": 7}
    lineage = {
        "run": "",
        "seed": 0,
        "data": {"digest": "d"},
        "schema": {"digest": "s"},
        "config": {"digest": "c"},
        "source": "e",
        "model": {"digest": "m"},
        "versions": {"kelp-mlops": "0.1.0"},
        "artifacts": {"model": model},
    }
    tags = lineage_tags(lineage)
    assert "run" not in tags
    assert tags["seed"] == "0"
    assert tags["metadata.artifact"] == "9"
    assert {tags[f"digest.{name}"] for name in ("data", "schema", "config", "source", "model")} == {
        *"dscem"
    }
