"""Is what was found better than what one would use anyway? References at equal cost, and the verdict on them."""
