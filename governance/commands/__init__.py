"""The commands of governance, one module per concern. Nothing heavy is imported here."""
