"""The agent: models, both memory channels, and the program that drives them."""
