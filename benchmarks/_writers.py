"""Stands in until the daemon's benchmark is merged."""


def measure(folder, *, seconds, rounds):
    return {}
