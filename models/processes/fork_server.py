"""What a fork server imports first of all: its import makes those that follow cheaper.

A fork server knows of nothing but modules to import.
"""

from contracts.spared_imports import spare_imports

spare_imports()
