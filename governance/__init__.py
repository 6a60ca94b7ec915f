"""The ledger of what AI agents learn: events, proofs, policy, review, reversal."""
