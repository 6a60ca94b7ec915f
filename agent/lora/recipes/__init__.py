"""Shipped recipes: YAML, every value stated."""
