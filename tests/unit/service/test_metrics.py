"""Histograms that take a batch at once."""

from kaiser.service.metrics import Tally


def test_a_batch_of_equal_values_counts_as_many() -> None:
    tally = Tally((0.001, 0.01))
    tally.observe(0.002, 500)
    tally.observe(0.5)
    samples = {(sample.name, sample.labels.get("le")): sample.value for sample in tally.family("latency", "x").samples}
    assert samples["latency_bucket", "0.001"] == 0
    assert samples["latency_bucket", "0.01"] == 500
    assert samples["latency_bucket", "+Inf"] == samples["latency_count", None] == 501


def test_a_bound_belongs_to_its_bucket() -> None:
    tally = Tally((0.001, 0.01))
    tally.observe(0.001)
    assert tally.family("latency", "x").samples[0].value == 1
