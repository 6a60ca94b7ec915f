"""Read-only answers to what the pages ask: plain data, no Streamlit, no writing."""

from dashboard.queries.desk import Desk, scopes
from dashboard.queries.projection import Projection

__all__ = ["Desk", "Projection", "scopes"]
