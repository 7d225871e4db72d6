"""VariantEvaluator: every artifact on its own, in its own runtime, against float32."""
