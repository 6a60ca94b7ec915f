"""Language models behind one protocol: builtin, local path, endpoint, scripted."""
