"""An MQTT 5 session with manual acknowledgement over the mqtt5 codec."""
