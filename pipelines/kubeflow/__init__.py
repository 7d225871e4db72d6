"""The pipeline as one of Kubeflow Pipelines 2: compiled, submitted, scheduled."""
