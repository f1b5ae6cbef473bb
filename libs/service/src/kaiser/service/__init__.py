"""The frame that every service stands in: settings, logs, metrics, traces, health, start and stop."""
