"""Recipes by name: API, examples, and their sheet. What one makes of a table: app/tables/recipes.py."""
