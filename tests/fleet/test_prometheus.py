"""Alert rules and dashboard: what promtool says, and what real Prometheus and node exporters do."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from qemu_pr.cli.qemu_pr import main
from qemu_pr.fleet.metrics import METRICS
from qemu_pr.helper.metrics import METRICS as HELPER_METRICS
from requirements import require
from simulated_hosts import SimulatedHost, fence

PACKAGING = Path(__file__).parents[2] / "packaging/prometheus"
PATIENCE = 100.0  # seconds; the machine may be busy
KNOWN = {f"qemu_pr_{name}" for name in METRICS} | {
    f"qemu_pr_helper_{name}{suffix}" for name in HELPER_METRICS for suffix in ("", "_bucket")
}
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def promtool(*arguments: str | Path, cwd: Path = PACKAGING) -> None:
    program = require("promtool", package="prometheus")
    done = subprocess.run(
        [program, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_rules() -> None:
    promtool("check", "rules", "rules.yml")


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    promtool("test", "rules", "rules_test.yml")


@pytest.mark.parametrize(
    "where", [PACKAGING / "rules_test.yml", PACKAGING.parents[1] / "docs/howto/watch-a-fleet.rst"]
)
def test_each_alert_is_tested_and_in_the_manual(where: Path) -> None:
    alerts = re.findall(r"alert: (\w+)", (PACKAGING / "rules.yml").read_text())
    text = where.read_text()

    assert [name for name in alerts if name not in text] == []


def expressions() -> list[str]:
    """Give the expressions of the dashboard, with its variables as Grafana fills them in."""
    panels = json.loads((PACKAGING / "dashboard.json").read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    return [expr.replace("$instance", ".*").replace("$disk", ".*") for expr in found]


def test_prometheus_reads_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel{number}", "expr": one} for number, one in enumerate(expressions())]
    groups = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "rules.yml").write_text(json.dumps(groups))  # JSON is YAML

    promtool("check", "rules", "rules.yml", cwd=tmp_path)


@pytest.mark.parametrize("name", ["rules.yml", "dashboard.json"])
def test_all_metrics_that_are_named_are_written(name: str) -> None:
    named = set(re.findall(r"qemu_pr_\w+", (PACKAGING / name).read_text()))

    assert named - KNOWN == set()


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Start a program that ends with the test; its output is in the test's directory."""
    with ExitStack() as stack:

        def run(*command: str) -> None:
            log = stack.enter_context((tmp_path / f"{Path(command[0]).name}.log").open("ab"))
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
            stack.callback(process.wait)
            stack.callback(process.kill)

        yield run


def alerts(port: int, state: str) -> set[tuple[str, str]]:
    """Ask Prometheus for its alerts: name, and host or disk."""
    query = urllib.parse.urlencode({"query": f'ALERTS{{alertstate="{state}"}}'})
    try:
        with _OPENER.open(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=10) as reply:
            found: list[dict[str, Any]] = json.load(reply)["data"]["result"]
    except OSError:  # it does not serve yet
        return set()
    labels = [one["metric"] for one in found]
    return {(one["alertname"], one.get("instance") or one.get("initiator", "")) for one in labels}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.2)


def write_metrics(nodes: Sequence[SimulatedHost], folder: Path) -> None:
    for node in nodes:
        file = folder / node.name / "qemu-pr.prom"
        assert main(["report", "--root", str(node.root), "--metrics", str(file)]) == 0


@pytest.mark.timeout(400)
def test_prometheus_raises_the_alert_of_the_host_that_is_fenced(
    nodes: list[SimulatedHost], tmp_path: Path, start: Callable[..., None]
) -> None:
    prometheus = require("prometheus", package="prometheus")
    exporter = require("prometheus-node-exporter", package="prometheus-node-exporter")
    port, *ports = free_ports(4)
    targets = []
    for node, of_node in zip(nodes, ports, strict=True):
        (tmp_path / node.name).mkdir()
        collector = ("--collector.disable-defaults", "--collector.textfile")
        directory = f"--collector.textfile.directory={tmp_path / node.name}"
        start(exporter, *collector, directory, f"--web.listen-address=127.0.0.1:{of_node}")
        targets.append({"targets": [f"127.0.0.1:{of_node}"], "labels": {"instance": node.name}})
    shutil.copy(PACKAGING / "rules.yml", tmp_path)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "node", "static_configs": targets}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    write_metrics(nodes, tmp_path)
    start(
        prometheus,
        "--config.file=prometheus.yml",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )

    stale = ("QemuPrStaleKey", "naa.6001405000000004")
    down = ("QemuPrHelperDown", "node2")
    wait_for(lambda: {stale, down} == alerts(port, "pending"), "the other alerts, pending")
    before = alerts(port, "firing")
    fence(nodes[0], 0xC)
    write_metrics(nodes, tmp_path)
    wait_for(lambda: bool(alerts(port, "firing")), "an alert")

    assert before == set()
    assert alerts(port, "firing") == {("QemuPrNodeFenced", "node3")}
