"""The gateway: one REST API and one WebSocket for every frontend."""
