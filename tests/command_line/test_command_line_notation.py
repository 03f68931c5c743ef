"""QEMU's notations of properties, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.notation import Properties, change, read, to_json, to_keyval

keys = st.text("abc-", min_size=1, max_size=5)
values = st.text("ab,=. {}\n\"'\\é", max_size=10)


@given(properties=st.dictionaries(keys, values, min_size=1))
def test_keyval_is_read_as_it_was_written(properties: dict[str, str]) -> None:
    text = to_keyval("drive", properties)

    assert read("drive", text) == properties


@given(properties=st.dictionaries(keys, values, min_size=1))
def test_json_is_read_as_it_was_written(properties: dict[str, str]) -> None:
    text = to_json(properties)

    assert read("object", text) == properties


def test_nested_properties_are_dotted_keys_and_switches_are_on_and_off() -> None:
    file: Properties = {"driver": "host_device", "locking": False}
    properties: Properties = {"driver": "raw", "file": file}

    assert to_keyval("blockdev", properties) == "raw,file.driver=host_device,file.locking=off"
    assert to_json(properties) == '{"driver":"raw","file":{"driver":"host_device","locking":false}}'


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("device", "virtio-scsi", {"driver": "virtio-scsi"}),
        ("device", "scsi-block,drive=hd,", {"driver": "scsi-block", "drive": "hd"}),
        ("device", "driver=virtio-scsi", {"driver": "virtio-scsi"}),
        ("device", "x,share-rw,nodpo", {"driver": "x", "share-rw": "on", "dpo": "off"}),
        ("object", "a,,b=c,id=x", {"qom-type": "a,b=c", "id": "x"}),
        ("blockdev", "node-name=a,node-name=b", {"node-name": "b"}),
        ("blockdev", "filename=a,,,driver=raw", {"filename": "a,", "driver": "raw"}),
        ("drive", "readonly,id=a", {"readonly": "on", "id": "a"}),
        ("drive", "file={}", {"file": "{}"}),
        (
            "device",
            '{"a":true,"b":1,"c":{"d":["e",false]},"f":null}',
            {"a": "on", "b": "1", "c.d.0": "e", "c.d.1": "off"},
        ),
    ],
)
def test_properties_are_read_as_qemu_reads_them(
    option: str, text: str, expected: dict[str, str]
) -> None:
    assert read(option, text) == expected


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("blockdev", "node-name=hd,driver", "'driver': no key=value"),
        ("object", "pr-manager-helper,=x", "'=x': no key=value"),
        ("device", "x,b,,c=1", "'b,,c=1': no key=value"),
        ("drive", "id=a,,,=b", "'=b': no key=value"),
        ("blockdev", '{"a":', "value: not JSON"),
        ("blockdev", "{'a':1}", "value: not JSON"),
        ("blockdev", '{"a":"\\ud800"}', "value: not JSON"),
        ("device", '{"a":' * 100_000, "value: not JSON"),
    ],
)
def test_what_is_neither_notation_is_refused(option: str, text: str, expected: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        read(option, text)

    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/dev/\udcff", "not UTF-8, and JSON has nothing else"),
        ("/dev/\uffff", "QEMU's JSON refuses Unicode noncharacters"),
        ("/dev/\ufdd0", "QEMU's JSON refuses Unicode noncharacters"),
        ("/dev/\U0001fffe", "QEMU's JSON refuses Unicode noncharacters"),
    ],
)
def test_json_refuses_text_that_qemu_would_not_take(path: str, expected: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        to_json({"file": {"filename": path}})

    assert (
        str(caught.value)
        == f"{path!r}: {expected}; use a symbolic link, or key=value: --syntax blockdev"
    )


@pytest.mark.parametrize("new_key", ["file.pr-manager", None])
def test_what_is_nested_in_a_value_by_mistake_changes_the_value_in_no_way(
    new_key: str | None,
) -> None:
    changed = change("blockdev", '{"file":"hd"}', "file.pr-manager", new_key, "helper0")

    added = {} if new_key is None else {"file.pr-manager": "helper0"}
    assert read("blockdev", changed) == {"file": "hd", **added}
