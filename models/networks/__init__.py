"""Networks: each module has a spec and `build(spec, inputs) -> keras.Model`."""
