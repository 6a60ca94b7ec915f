"""Widgets and pieces of page that views share."""
