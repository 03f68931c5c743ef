"""What packaging/kubernetes has, Kubernetes takes; it fits the image and the helper."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions

from qemu_pr.cli.qemu_pr_helper import build_parser

PACKAGING = Path(__file__).parents[2] / "packaging"
BASES = ("disks", "maps")
FILES = sorted(PACKAGING.glob("kubernetes/*/[!k]*.yaml"))
RELEASES = sorted(set(all_versions()), key=lambda name: [int(one) for one in name.split(".")])[-3:]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def pod(base: str) -> dict[str, Any]:
    found: dict[str, Any] = read(PACKAGING / f"kubernetes/{base}/daemonset.yaml")
    return found["spec"]["template"]["spec"]


def container(base: str) -> dict[str, Any]:
    (found,) = pod(base)["containers"]
    return found


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_kubernetes_takes_it(path: Path, release: str) -> None:
    kubernetes_validate.validate(read(path), release, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    wrong = read(PACKAGING / "kubernetes/disks/daemonset.yaml")
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilites"] = {}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, RELEASES[-1], strict=True)


@pytest.mark.parametrize("base", BASES)
def test_a_base_has_all_of_its_files(base: str) -> None:
    folder = PACKAGING / "kubernetes" / base

    kustomization = read(folder / "kustomization.yaml")

    assert {folder / name for name in kustomization["resources"]} == {
        path for path in FILES if path.parent == folder
    }
    assert {read(path)["metadata"].get("namespace") for path in FILES} <= {None, "qemu-pr"}


@pytest.mark.parametrize("base", BASES)
def test_the_helper_takes_its_arguments_and_probes_ask_at_its_socket(base: str) -> None:
    found = container(base)
    settings = build_parser().parse_args(found["args"])

    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        program, socket = found[probe]["exec"]["command"]
        assert socket == settings.socket
        assert f'"{program.lstrip("/")}"' in (PACKAGING / "image/root.py").read_text()


@pytest.mark.parametrize("base", BASES)
def test_the_socket_is_in_a_directory_of_the_node(base: str) -> None:
    paths = {one["name"]: one["hostPath"]["path"] for one in pod(base)["volumes"]}
    mounts = {one["mountPath"]: paths[one["name"]] for one in container(base)["volumeMounts"]}

    assert mounts["/run/qemu-pr"] == "/run/qemu-pr"
    assert set(paths) == {one["name"] for one in container(base)["volumeMounts"]}
    assert all(inside == outside for inside, outside in mounts.items())


def test_each_capability_has_its_reason_beside_it() -> None:
    text = (PACKAGING / "kubernetes/disks/daemonset.yaml").read_text()
    added = container("disks")["securityContext"]["capabilities"]["add"]

    assert added == ["SYS_RAWIO"]
    for name in added:
        assert re.search(rf"^ +- {name} # .+", text, re.MULTILINE)


def test_for_maps_only_that_differs_which_maps_need() -> None:
    disks, maps = (container(base) for base in BASES)
    needed = {"securityContext", "volumeMounts"}

    assert {name for name in maps if maps[name] != disks.get(name)} == needed
    assert {name for name in pod("maps") if pod("maps")[name] != pod("disks").get(name)} == {
        "containers",
        "hostNetwork",
        "volumes",
    }


def test_releases_are_the_newest_three() -> None:
    minors = [int(name.split(".")[1]) for name in RELEASES]

    assert all(newer - older == 1 for older, newer in pairwise(minors))
