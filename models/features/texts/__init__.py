"""What the kind `text` learns and does: words, vocabularies and ids, in core operators."""
