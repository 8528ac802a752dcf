"""Image providers, one module per service: the only package that uses ``requests``; see ``generator``.

A new provider implements ``base.Provider``, declares its settings, and is registered in ``generator`` and
``config``.
"""
