"""Logic: rules across devices, the same engine for the live log and for the past."""
