"""The type of numpy's arrays."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
"""An array of any shape and type."""
