"""What every layer shares; imports none of them."""
