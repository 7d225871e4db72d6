"""The frozen schema as a component: what SchemaGen is before the freeze."""
