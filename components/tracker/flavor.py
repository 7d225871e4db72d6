"""Makes of a SavedModel what MLflow takes for a model, without loading it.

MLflow's own `log_model` wants a live object and saves it again; what is served must be
logged as it is. The folder of an MLflow model is an `MLmodel` file with the SavedModel
beside it, which `mlflow.pyfunc.load_model` and `mlflow.tensorflow.load_model` both read.

MLflow's own pyfunc of a SavedModel takes no None among texts, and with a signature of
tensors no data frame without a row 0. Ours has a signature of columns, and its loader.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from components.tracker import loader

SAVED_MODEL = "saved_model"
SIGNATURE = "serving_default"
_TAG = "serve"
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "tensorflow")
_CODE = "code"
_LOADER = "kelp_pyfunc"


def write_flavor(
    saved_model: Path, folder: Path, logged: Any, run_id: str, extra: dict[str, Any]
) -> None:
    """Writes what stands beside `saved_model/` in an MLflow model.

    Args:
      saved_model: The SavedModel, for its signature.
      folder: Where to write.
      logged: MLflow's entry of the model.
      run_id: The MLflow run that made it.
      extra: Metadata for the `MLmodel` file.
    """
    from mlflow import pyfunc
    from mlflow.models import Model

    model = Model(
        artifact_path=logged.artifact_location,
        run_id=run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        signature=serving_signature(saved_model),
        metadata=extra,
    )
    model.add_flavor(
        "tensorflow",
        # MLflow's name for: call one signature of a SavedModel.
        model_type="tf1-estimator",
        saved_model_dir=SAVED_MODEL,
        meta_graph_tags=[_TAG],
        signature_def_key=SIGNATURE,
    )
    pyfunc.add_to_model(model, loader_module=_LOADER, data=SAVED_MODEL, code=_CODE)
    (folder / _CODE).mkdir()
    shutil.copyfile(loader.__file__, folder / _CODE / f"{_LOADER}.py")
    model.save(str(folder / "MLmodel"))
    lines = [f"{package}=={version(package)}\n" for package in _REQUIREMENTS]
    (folder / "requirements.txt").write_text("".join(lines), encoding="utf-8")


def serving_signature(saved_model: Path) -> Any:
    """Reads the inputs and outputs of `serving_default` as MLflow's ModelSignature."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema
    from tensorflow.core.protobuf import saved_model_pb2

    content = (saved_model / "saved_model.pb").read_bytes()
    graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    graph = next(graph for graph in graphs if _TAG in graph.meta_info_def.tags)
    definition = graph.signature_def[SIGNATURE]
    return ModelSignature(
        inputs=Schema(_inputs(definition.inputs)), outputs=Schema(_outputs(definition.outputs))
    )


def _inputs(tensors: Any) -> list[Any]:
    from mlflow.types import ColSpec
    from mlflow.types.schema import AnyType

    # By a type MLflow would refuse what pandas makes of the same values: int64 for a number,
    # float64 for a text that is missing in every row.
    return [ColSpec(AnyType(), name) for name in sorted(tensors)]


def _outputs(tensors: Any) -> list[Any]:
    import tensorflow as tf
    from mlflow.types import ColSpec, DataType
    from mlflow.types.schema import Array

    kinds = {tf.string: DataType.string, tf.int64: DataType.long, tf.float32: DataType.float}
    specs = []
    for name in sorted(tensors):
        kind = kinds[tf.dtypes.as_dtype(tensors[name].dtype)]
        is_flat = len(tensors[name].tensor_shape.dim) <= 1
        specs.append(ColSpec(kind if is_flat else Array(kind), name))
    return specs
