"""What a site on containers needs before it starts: certificates, passwords, and the configuration of each server."""
