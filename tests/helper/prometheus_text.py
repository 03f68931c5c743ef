"""What Prometheus' own parser reads from a text."""

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(text: str) -> dict[tuple[str, ...], float]:
    """The samples by name, without its prefix, and by the values of their labels."""
    return {
        (sample.name.removeprefix("qemu_pr_helper_"), *sample.labels.values()): sample.value
        for family in families(text).values()
        for sample in family.samples
    }
