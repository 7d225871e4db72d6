"""`python -m contracts.schemas` writes the schemas."""

from contracts.schemas import write_schemas

write_schemas()
