"""One file a page: filter, query, empty state, display, action."""
