"""The two databases: `ledger` must never be lost, `mirror` is what Azure said last and can be rebuilt."""
