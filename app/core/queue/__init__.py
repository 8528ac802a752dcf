"""The queue: claim, leases, ends, runs."""
