"""A pretrained encoder's folder: what it must hold, and what the config may say beside it."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from contracts.errors import DataError
from models.features.text import TextSpec

CONFIG = {"model_type": "bert", "hidden_act": "gelu", "hidden_size": 8}
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_the_digest_of_the_files_is_part_of_the_spec(folder):
    spec = TextSpec(pretrained=folder)
    assert TextSpec.model_validate_json(spec.model_dump_json()) == spec
    (folder / "model.safetensors").write_bytes(b"others")
    assert TextSpec(pretrained=folder).sha256 != spec.sha256
    assert not spec.is_prepared
    assert "TFLite and ONNX variants" in spec.not_offered()


def test_an_absent_file_is_named_with_the_folder_where_it_belongs(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"lacks model\.safetensors") as caught:
        TextSpec(pretrained=folder)
    assert str(folder) in caught.value.where
    with pytest.raises(DataError) as caught:
        TextSpec(pretrained=folder / "nowhere")
    assert caught.value.received == "no such folder"


@pytest.mark.parametrize(
    ("file", "content", "reported"),
    [
        ("config.json", json.dumps({**CONFIG, "model_type": "gpt2"}), "gpt2"),
        ("config.json", json.dumps({**CONFIG, "hidden_act": "swish"}), "swish"),
        ("vocab.txt", "[PAD]\n[UNK]\ngood\n", r"no \[CLS\], \[SEP\]"),
        ("vocab.txt", "\n".join(reversed(TOKENS)), "good there"),
    ],
)
def test_an_encoder_of_another_kind_is_refused(folder, file, content, reported):
    (folder / file).write_text(content)
    with pytest.raises(DataError) as caught:
        TextSpec(pretrained=folder)
    assert re.search(reported, caught.value.received)


def test_keys_that_the_encoder_decides_are_refused(folder):
    with pytest.raises(ValidationError, match="pretrained decides lowercase"):
        TextSpec(pretrained=folder, lowercase=False)
    with pytest.raises(ValidationError, match="reads words in order"):
        TextSpec(ngrams=2, encoder={"kind": "gru"})
