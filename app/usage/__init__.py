"""用量: what was spent, charges of unknown outcome, budgets, exports of the ledger."""
