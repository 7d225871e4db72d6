"""Places that data, runs and models are read from and written to: folders and buckets.

A place is a local path, `s3://BUCKET/KEY` or `gs://BUCKET/KEY`. Every read and write of a
bucket goes through this package; see docs/storage.md and docs/decisions/0013-storage.md.
"""
