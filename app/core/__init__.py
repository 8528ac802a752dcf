"""The SQL of what is bought: queue, money, orders, tables, records. Its public API is ``database``."""
