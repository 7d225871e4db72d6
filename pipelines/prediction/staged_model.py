"""Models in a bucket, for the commands that load one."""

from __future__ import annotations

from contracts.errors import ConfigError
from contracts.storage.folders import list_published, read_marker
from contracts.storage.location import Location, is_remote, parse_location
from contracts.storage.staging import stage


def staged_model(model: str) -> str:
    """Gives the local copy of a model in a bucket; what is not an address is given as it is.

    Args:
      model: The address of a version, of a folder of versions, or of a variant in a version.

    Raises:
      ConfigError: There is no model at the address.
      StorageProblem: The bucket cannot be read.
    """
    if not is_remote(model):
        return model
    try:
        place = parse_location(model)
    except ValueError as error:
        raise ConfigError("this is no address of a model", expected=str(error)) from error
    if read_marker(place) is not None:
        return str(stage(str(place)))
    above = Location(place.scheme, place.bucket, place.key.rpartition("/")[0])
    if read_marker(above) is not None:
        return str(stage(str(above)) / place.name)
    versions = [name for name in list_published(place) if name.isdecimal()]
    if versions:
        return str(stage(str(place / max(versions, key=int))))
    raise ConfigError(
        f"there is no model at {place}",
        where=str(place),
        expected="a version that was pushed whole, or a folder of them",
        fix="correct the address, or push a model there with push.root in the config",
    )
