"""Lets the suite of valkey-py run against slotmesh-server: loaded into pytest with `-p slotmesh_suite`.

Reads which tests are expected to fail from the list beside this file, and says at the end what did not go as listed:
tests that fail and are not named, and names of which nothing fails any more. Either makes the run fail.
"""

import pathlib

import pytest
import valkey.commands.core as core

# The version whose commands slotmesh-server has.
LIKE_VALKEY = "9.1.0"
LIST = pathlib.Path(__file__).with_name("expected.txt")

_info = core.ManagementCommands.info
_expected = {}
_selected = set()
_failed = set()
_unexpected = []


def _info_like_valkey(self, *args, **kwargs):
    info = _info(self, *args, **kwargs)
    info.setdefault("valkey_version", LIKE_VALKEY)
    return info


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session):
    """The suite asks INFO for a version that only Valkey tells, to leave out what is newer. slotmesh-server does not
    call itself Valkey, so this one question is answered for it."""
    core.ManagementCommands.info = _info_like_valkey
    try:
        return (yield)
    finally:
        core.ManagementCommands.info = _info


def pytest_configure(config):
    _expected.update(read_list(LIST.read_text()))


def read_list(text):
    """The names of tests, each with its reason: `## reason`, then the names, which all its parameters share."""
    reason, names = "", {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("## "):
            reason = line[3:]
        elif line and not line.startswith("#"):
            names[line] = reason
    return names


def pytest_collection_modifyitems(items):
    for item in items:
        reason = _expected.get(item.nodeid.partition("[")[0])
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=False))


def pytest_collection_finish(session):
    _selected.update(item.nodeid.partition("[")[0] for item in session.items)


def pytest_runtest_logreport(report):
    name = report.nodeid.partition("[")[0]
    if report.outcome == "skipped" and hasattr(report, "wasxfail"):
        _failed.add(name)
    elif report.outcome == "failed" and name not in _expected:
        _unexpected.append(report.nodeid)


def stale():
    """Names that were run and of which nothing failed."""
    return sorted(name for name in _expected if name in _selected and name not in _failed)


def pytest_terminal_summary(terminalreporter):
    for title, names in [("not listed, and fails", _unexpected), ("listed, and does not fail", stale())]:
        for name in names:
            terminalreporter.write_line(f"{title}: {name}")


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == pytest.ExitCode.OK and stale():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
