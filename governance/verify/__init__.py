"""The independent checker: does the log prove what it claims?

Imports nothing above ``merkle``, ``notes`` and ``canonical``, so it can judge a ledger
without trusting the code that wrote it. Steps, numbered as in the code:

1. Every checkpoint names this log, sizes never shrink, and it is signed by the key in force
   at its size: the one the log began with, then the one that each ``key.rotated`` event
   names. The first checkpoint that covers such an event is signed by both.
2. Sequence numbers run 1, 2, 3, … without gap, repeat or swap; event ids are unique.
3. Each header is canonical, and every unhashed copy beside it says the same.
4. Each leaf is the hash of its header.
5. At every checkpointed size the recomputed root equals the signed one.
6. Stored tiles hold exactly the recomputed hashes.
7. The log is not shorter than its last checkpoint.
8. Every payload still present opens and matches its header and commitment; one that no
   checkpoint covers yet must be present, because only its payload shows who wrote it.

The stand-alone verifier of evidence bundles follows the same numbers.
"""

from governance.merkle import RowBlock
from governance.verify.columns import BLOCK, blocks
from governance.verify.log import verify_log
from governance.verify.report import MAX_PROBLEMS, Rank, VerificationReport

__all__ = [
    "BLOCK", "MAX_PROBLEMS", "Rank", "RowBlock", "VerificationReport", "blocks", "verify_log",
]  # fmt: skip
