"""The process that owns a home and answers for it to everybody else on this machine."""
