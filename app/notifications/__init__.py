"""Notifications: their words, and how they are delivered to NOTIFY_URL. No Flask: the worker sends them."""
