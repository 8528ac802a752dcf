"""Torture: the real server against strict fakes, with faults, crashes and disruptions drawn from a seed.

``python -m tools.torture --rounds 200 --seed 1``; a round that failed alone: ``--only 137``. With ``--store
postgres``, three workers and two web processes that share nothing but PostgreSQL and OSS.
"""
