"""What may be sent to devices: every "never", "always" and "must" of the wire contract, sections 5 to 9 and 22.

One module a family. Each rule reads the JSON object that would go to the device, and raises
:class:`~kaiser.contracts.wire.sendable.draft.ForbiddenError` with what the device would do.
"""
