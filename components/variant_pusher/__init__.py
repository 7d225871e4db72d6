"""VariantPusher: blessed variants of a blessed candidate, to where they are served from."""
