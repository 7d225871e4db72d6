"""Where training runs: the CPU, the GPUs of this machine, or several machines.

Several machines train one network on the same batches, each on its share of the rows, by
`tf.distribute.MultiWorkerMirroredStrategy`. TF_CONFIG says who they are, as it does wherever
TensorFlow runs on several machines. What Keras 3 lacks for that is here: it reduces a
first batch in a way that takes no dicts, and averages scalars over an axis that they do not have;
see MonitoredModel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from models.training.cluster import find_cluster


@dataclass(frozen=True)
class Device:
    """Where training runs: `name` for people, `strategy` for TensorFlow."""

    name: str
    strategy: tf.distribute.Strategy


def choose_device() -> Device:
    """Takes all GPUs where several are visible, one where one is, else the CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return Device("CPU", tf.distribute.get_strategy())
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    if len(gpus) == 1:
        return Device(name, tf.distribute.OneDeviceStrategy("/gpu:0"))
    return Device(f"{len(gpus)} x {name}", tf.distribute.MirroredStrategy())


def join_cluster() -> Device:
    """Joins the machines of TF_CONFIG, and waits for them; this machine alone without it.

    TensorFlow takes this only before anything else is done with it in a process.

    Raises:
      ConfigError: TF_CONFIG cannot be read.
    """
    cluster = find_cluster()
    if cluster is None:
        return choose_device()
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    return Device(f"{len(cluster.workers)} machines, {_local_name()} each", strategy)


def _local_name() -> str:
    gpus = len(tf.config.list_physical_devices("GPU"))
    return "CPU" if not gpus else f"{gpus} GPU"


def is_distributed() -> bool:
    """Whether batches are split over several replicas here."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync) > 1


def steps_per_epoch(rows: int, batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """How many batches an epoch has; see `even_batches`."""
    if strategy.num_replicas_in_sync > 1:
        return max(1, rows // batch_size)
    return -(-rows // batch_size)


def even_batches(batches: tf.data.Dataset, rows: int, batch_size: int) -> tf.data.Dataset:
    """Gives batches of which each replica gets rows.

    Of the last batch of an epoch, which may have one row only, a replica could get none, whose
    mean is no number. It is left out; rows come in another order in each epoch. Each machine
    reads all rows and takes its share, so that all see the same batches.
    """
    if not is_distributed():
        return batches
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    whole = steps_per_epoch(rows, batch_size, tf.distribute.get_strategy())
    return batches.take(whole).with_options(options)


def sum_over_replicas(gradients: Sequence[Any]) -> list[Any]:
    """Gives each gradient of the whole batch; for all replicas alike."""
    context = tf.distribute.get_replica_context()
    summed: list[Any] = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
    return summed


def has_several_machines(strategy: Any) -> bool:
    """Whether a strategy spans machines."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
