"""Readers of foreign formats, one file a format."""

from agent.importers.detect import detect_source, import_source
from agent.importers.sgd import load_sgd

__all__ = ["detect_source", "import_source", "load_sgd"]
