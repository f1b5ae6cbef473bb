"""The event log on NATS JetStream: streams, publishing, batch consumers, aggregates, replay."""
