"""The commands that serve and release models; each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)
_CONFIG = click.option(
    "--config", type=_PATH, metavar="FILE", help="configs/serving.yaml where there is one."
)


@click.command()
@_CONFIG
@click.option("--host", metavar="ADDRESS", help="Listen here.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 is a free one.  [default: 8501]")
@click.option("--grpc-port", type=click.IntRange(1, 65535), help="Serve gRPC, too.  [default: no]")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes.  [default: 1]")
@click.option("--models-root", help="SavedModels; may be s3://.  [default: serving_models]")
@click.option("--artifacts", help="TFLite and ONNX files; may be s3://.  [default: artifacts]")
@click.option("--model-config-file", type=_PATH, help="Serve just what this models.config names.")
@click.option("--cors", is_flag=True, default=None, help="Let pages of other origins ask.")
@click.option("--tls-cert", type=_PATH, metavar="PEM", help="Serve TLS: the certificate.")
@click.option("--tls-key", type=_PATH, metavar="PEM", help="Its private key.")
def serve(config: Path | None, **options: Any) -> int:
    """Serve models by TensorFlow Serving's REST API: for development, tests and small loads.

    Serves every SavedModel under serving_models/ and every TFLite and ONNX file under artifacts/
    as it comes and goes, until Ctrl-C or SIGTERM. In production, the official
    tensorflow/serving image answers the same requests: see docker/.
    """
    from serving.config import load_spec
    from serving.server import serve as serve_models

    cert, key = options.pop("tls_cert"), options.pop("tls_key")
    if (cert is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    given = {
        name: str(value) if isinstance(value, Path) else value for name, value in options.items()
    }
    if cert is not None:
        given["tls"] = {"cert": str(cert), "key": str(key)}
    return serve_models(load_spec(config, given), click.echo)


@click.command("tf-serving")
@_CONFIG
@click.option("--models-root", type=_PATH, help="SavedModels.  [default: serving_models]")
@click.option("--out", type=_PATH, default=Path("docker/tensorflow_serving"), show_default=True)
@click.option("--base", default="/models", show_default=True, help="Where the image has the root.")
def tf_serving(config: Path | None, models_root: Path | None, out: Path, base: str) -> int:
    """Write the config files of a real TensorFlow Serving: models, batching and monitoring.

    Policies and limits are those of `kelp serve`. What a release has set for a model stays.
    """
    from serving.config import load_spec
    from serving.production import write_server_files
    from serving.versions.mirror import require_local

    spec = load_spec(config, {"models_root": str(models_root) if models_root else None})
    root = require_local(spec.models_root, "kelp tf-serving")
    names = write_server_files(out, root, spec, base)
    click.echo(f"{out}: {', '.join(names)}")
    return 0
