"""People of a studio: roles, invitations, their logins, and tokens for scripts."""
