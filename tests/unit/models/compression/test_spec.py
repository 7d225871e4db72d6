import pytest
from pydantic import ValidationError

from contracts.errors import ModelError
from models.compression.formats.table import FORMATS, find_format
from models.compression.spec import (
    PrunedSpec,
    VariantsSpec,
    tolerance_of,
)
from models.compression.techniques.table import find_technique, unsupported
from models.networks.spec import CnnSpec, DcnSpec, LinearSpec, MlpSpec, TransformerSpec


def _spec(**variants):
    return VariantsSpec.model_validate({"variants": variants})


def test_a_variant_without_weights_keeps_the_candidates():
    (one,) = _spec(half={"format": "savedmodel_float16"}).resolved()
    assert one.weights.weights == "none"
    assert (one.name, one.format) == ("half", "savedmodel_float16")


def test_variants_that_share_weights_resolve_to_equal_specs():
    pruned, small = _spec(
        pruned={"weights": "pruned", "sparsity": 0.7},
        small={
            "weights": "shared",
            "of": "pruned",
            "format": "tflite_int8_dynamic",
            "gates": {"max_drop": 0.01},
        },
    ).resolved()
    assert pruned.weights == small.weights == PrunedSpec(weights="pruned", sparsity=0.7)
    assert small.gates.max_drop == 0.01
    assert pruned.gates.max_drop == 0.005
    assert find_format(small.format) == (FORMATS["tflite"], "int8_dynamic")


def test_another_gate_or_format_leaves_the_weights_as_they_are():
    def weights(**fields):
        return _spec(one={"weights": "pruned", **fields}).resolved()[0].weights

    assert weights() == weights(format="onnx_float32") == weights(gates={"max_bytes": 10})
    assert weights() != weights(sparsity=0.9)


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"a": {"weights": "shared", "of": "b"}}, "'b', which is not a variant"),
        (
            {
                "a": {"weights": "clustered"},
                "b": {"weights": "shared", "of": "a"},
                "c": {"weights": "shared", "of": "b"},
            },
            "'b', which shares another's",
        ),
        ({"a": {"weights": "pruned", "pattern": "2:4"}}, "a sparsity of 0.5, not of 0.8"),
        ({"a": {"weights": "pruned", "sparsity": 0.4}}, "greater than or equal to 0.5"),
        ({"a": {"weights": "smaller"}}, "smaller"),
        ({"a": {"weights": "distilled", "scale": 1}}, "a scale below 1, or members"),
        ({"a": {"format": "int4"}}, "unknown format 'int4'"),
        ({"a": {"format": "tflite_float61"}}, "did you mean 'tflite_float16'"),
        ({"a": {"format": "coreml_float32"}}, "did you mean"),
        ({"a": {"sparsity": 0.8}}, "sparsity"),
    ],
)
def test_what_makes_no_sense_is_refused(variants, message):
    with pytest.raises(ValidationError, match=message):
        _spec(**variants)


def test_float_formats_are_held_to_rounding_and_others_to_what_they_declare():
    exact, half, eight, declared = _spec(
        exact={"format": "onnx_float32"},
        half={"format": "tflite_float16"},
        eight={"format": "savedmodel_int8"},
        declared={"format": "savedmodel_int8", "gates": {"tolerance": 0.02}},
    ).resolved()
    assert [tolerance_of(one) for one in (exact, half, eight, declared)] == [1e-5, 5e-3, 0.1, 0.02]


def test_what_cannot_be_made_is_reported_before_work_starts():
    variants = _spec(
        pattern={"weights": "pruned", "pattern": "2:4", "sparsity": 0.5},
        student={"weights": "distilled", "scale": 0.1},
        plain={"format": "tflite_int8_full"},
    ).resolved()
    pattern, student, plain = (one.weights for one in variants)
    assert unsupported(pattern, MlpSpec(units=(128, 64))) is None
    assert "one is 30 wide" in unsupported(pattern, MlpSpec(units=(128, 30)))
    cnn = CnnSpec(kind="cnn", shape=(8, 8, 1), filters=(6,), units=(8,))
    assert "one is 6 wide" in unsupported(pattern, cnn)
    assert "a layer of 4 units" in unsupported(student, MlpSpec(units=(128, 4)))
    assert unsupported(plain, cnn) is None


def test_what_an_ensemble_or_a_line_cannot_become_is_reported():
    variants = _spec(
        pruned={"weights": "pruned"},
        narrow={"weights": "distilled"},
        one={"weights": "distilled", "members": 1},
    ).resolved()
    pruned, narrow, one = (variant.weights for variant in variants)
    line = LinearSpec(kind="linear")
    assert "no hidden layer" in unsupported(pruned, line)
    assert "no hidden layer" in unsupported(narrow, line)
    assert (narrow.scale, one.scale) == (0.5, 1.0)
    assert unsupported(one, MlpSpec(members=4)) is None
    assert "no fewer" in unsupported(one, MlpSpec())
    assert "only an ensemble" in unsupported(one, DcnSpec(kind="dcn"))
    assert unsupported(narrow, TransformerSpec(kind="transformer")) is None


def test_an_unknown_technique_is_an_error_that_names_the_nearest():
    with pytest.raises(ModelError, match="did you mean 'pruned'"):
        find_technique("prunned")
