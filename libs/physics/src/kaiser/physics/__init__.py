"""Raw counts to physical values: one module a sensor family, with calibration and plug-ins. No I/O."""
