"""The verbs: one module a group, each with ``register(subparsers)``.

What a verb needs is imported when it runs, so that ``--help`` does not wait for it.
"""
