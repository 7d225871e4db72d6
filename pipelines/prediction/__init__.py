"""Raw rows in, answers out: what the commands that ask a model share."""
