"""What stands between the network and the application: limits, time, headers, and the log of what was asked."""
