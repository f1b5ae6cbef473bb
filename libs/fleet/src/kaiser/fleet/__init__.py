"""Simulated ESP32 devices that speak the real wire contract, bugs included."""
