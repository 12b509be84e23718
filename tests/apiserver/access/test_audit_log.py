"""The file behind the audit log: order, rotation, its mode, a disk that fails."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
import structlog

from echelon.apiserver import AuditLog
from echelon.apiserver.access import audit_log


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for run in range(2):
        log = AuditLog(path)
        for number in range(500):
            log.write(b"%d.%d" % (run, number))
        log.close()
    assert path.read_bytes().split() == [b"%d.%d" % (run, number) for run in range(2) for number in range(500)]


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch(0o644)
    before = os.umask(0)
    try:
        log = AuditLog(path, max_bytes=10)
        for line in (b"123456", b"234567"):
            log.write(line)
        log.close()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()} == {0o600}


def test_it_is_set_aside_when_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog(path, max_bytes=12, keep=2)
    for number in range(1, 8):
        log.write(b"line%d" % number)
    log.close()
    found = {file.name: file.read_bytes().split() for file in tmp_path.iterdir()}
    assert found == {
        "audit.log": [b"line7"],
        "audit.log.1": [b"line5", b"line6"],
        "audit.log.2": [b"line3", b"line4"],
    }


def test_a_line_longer_than_the_limit_is_written(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log", max_bytes=4)
    log.write(b"longer than that")
    log.close()
    assert (tmp_path / "audit.log").read_bytes() == b"longer than that\n"


def test_a_disk_that_fails_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed, written = threading.Event(), threading.Event()
    really_write = os.write

    def write(file: int, data: bytes) -> int:
        if not failed.is_set():
            failed.set()
            raise OSError(28, "No space left on device")
        written.set()
        return really_write(file, data)

    monkeypatch.setattr(os, "write", write)
    with structlog.testing.capture_logs() as said:
        log = AuditLog(tmp_path / "audit.log")
        log.write(b"lost")
        assert failed.wait(5)
        log.write(b"kept")
        assert written.wait(5)
        log.close()
    assert [entry["event"] for entry in said] == ["the audit log cannot be written"]
    assert (tmp_path / "audit.log").read_bytes() == b"kept\n"


def test_too_many_lines_are_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "_PENDING", 2)
    entered, go_on = threading.Event(), threading.Event()
    really_write = os.write

    def write(file: int, data: bytes) -> int:
        entered.set()
        assert go_on.wait(5)
        return really_write(file, data)

    monkeypatch.setattr(os, "write", write)
    with structlog.testing.capture_logs() as said:
        log = AuditLog(tmp_path / "audit.log")
        log.write(b"first")
        assert entered.wait(5)  # the writer is busy now
        for number in range(5):
            log.write(b"%d" % number)
        go_on.set()
        log.close()
    assert (tmp_path / "audit.log").read_bytes().split() == [b"first", b"0", b"1"]
    assert said[0]["lines"] == 3


def test_closing_twice_and_writing_after_is_harmless(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    log.close()
    log.close()
    log.write(b"late")
    assert (tmp_path / "audit.log").read_bytes() == b""


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        AuditLog(tmp_path / "nowhere" / "audit.log")
