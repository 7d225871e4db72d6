"""ExampleGen: CSV and Parquet to tf.Example, by Arrow record batches."""
