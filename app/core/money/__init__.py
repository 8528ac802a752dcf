"""The ledger of charges, budgets, unknown outcomes."""
