"""The external channel: entries kept as text, indexed, recalled into prompts."""
