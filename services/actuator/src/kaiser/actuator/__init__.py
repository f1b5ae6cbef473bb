"""Actuator: the life of every command, and the shadow of every actuator."""
