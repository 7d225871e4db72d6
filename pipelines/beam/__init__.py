"""Where Beam runs the components that read all rows: in this process, or on a cluster."""
