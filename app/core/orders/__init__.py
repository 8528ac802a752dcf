"""What an order writes."""
