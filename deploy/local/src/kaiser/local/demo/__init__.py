"""The demo: Kaiser with a simulated fleet, watched from outside, and checked reading by reading at the end.

Nothing here trusts what the services say of themselves where it can look itself: what the fleet sent is in the fleet's
own log, what arrived is in the database and on a WebSocket.
"""
