"""The bridge between the MQTT broker and the event log."""
