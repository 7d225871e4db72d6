"""Writes a sample of the requests to files, beside the event loop and never in its way."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from dataclasses import dataclass

from contracts.prediction_log import LoggedRequest, to_record
from contracts.tfrecord import frame
from serving.request_log.config import RequestLogSpec
from serving.request_log.files import LogFiles

_LOGGER = logging.getLogger(__name__)
_Entry = tuple[LoggedRequest, float]


@dataclass(frozen=True)
class LogCounts:
    """What became of the requests; `sampled` is `written + dropped + failed + waiting`.

    Attributes:
      seen: All requests.
      sampled: Those that the log was to keep.
      written: Those that are in a file.
      dropped: Those that came while the queue was full, or after the end.
      failed: Those that could not be written, for want of room for example.
      waiting: Those in the queue.
    """

    seen: int
    sampled: int
    written: int
    dropped: int
    failed: int
    waiting: int


class RequestLog:
    """A log; `offer` is what `Predictor.on_request` wants.

    Args:
      spec: What is kept, and where; with a folder.
    """

    def __init__(self, spec: RequestLogSpec) -> None:
        if spec.folder is None:
            raise ValueError("a request log needs a folder")
        self._spec = spec
        self._leave_out = frozenset(spec.leave_out)
        self._draw = random.Random(spec.seed)  # which requests to keep is no secret
        self._queue: queue.Queue[_Entry | None] = queue.Queue(spec.queue)
        # Both sides count under it, so that the counts add up whenever they are read.
        self._lock = threading.Lock()
        self._seen = self._sampled = self._written = self._dropped = self._failed = 0
        self._closed = False
        self._files = LogFiles(spec.folder, int(spec.max_mb * 2**20), spec.max_age_s, time.time)
        self._thread = threading.Thread(target=self._work, name="request-log", daemon=True)
        self._thread.start()

    def offer(self, request: LoggedRequest) -> None:
        """Takes note of a request; returns at once, whatever becomes of it."""
        if self.wants():
            self.put(request)

    def wants(self) -> bool:
        """Counts a request, and tells whether it is one to keep.

        After yes comes one call: of `put` or of `give_up`.
        """
        with self._lock:
            self._seen += 1
            if self._draw.random() >= self._spec.sample:
                return False
            self._sampled += 1
            return True

    def put(self, request: LoggedRequest) -> None:
        """Lets a request that the log wants wait to be written, or drops it."""
        with self._lock:
            if self._closed:
                self._dropped += 1
                return
            try:
                self._queue.put_nowait((request, time.time()))
            except queue.Full:
                self._dropped += 1

    def give_up(self, *, dropped: bool) -> None:
        """Counts a request that the log wants and does not get.

        Args:
          dropped: For want of time to look at it; else it could not be read.
        """
        with self._lock:
            if dropped:
                self._dropped += 1
            else:
                self._failed += 1

    @property
    def counts(self) -> LogCounts:
        """What became of the requests until now."""
        with self._lock:
            done = self._written + self._dropped + self._failed
            return LogCounts(
                self._seen,
                self._sampled,
                self._written,
                self._dropped,
                self._failed,
                self._sampled - done,
            )

    def close(self) -> None:
        """Writes what waits and closes the files; what is offered later is dropped."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                entry = self._queue.get(timeout=min(1.0, self._spec.max_age_s))
            except queue.Empty:
                self._tend()
                continue
            if entry is None:
                break
            self._write(*entry)
        self._tend(end=True)

    def _write(self, request: LoggedRequest, time_s: float) -> None:
        try:
            record = to_record(request, self._leave_out, self._spec.sample, time_s)
            self._files.write(request.name, frame(record))
        # One request that cannot be recorded, or a full disk, must not end the log.
        except Exception as error:  # noqa: BLE001
            with self._lock:
                self._failed += 1
                first = self._failed == 1
            if first:
                _LOGGER.warning("a request could not be logged: %s", error)
        else:
            with self._lock:
                self._written += 1
        if self._queue.empty():
            self._tend()

    def _tend(self, *, end: bool = False) -> None:
        """Hands what was written to the system, and closes files that are old."""
        try:
            self._files.tend(end=end)
        except OSError as error:
            _LOGGER.warning("the files of the request log could not be kept: %s", error)
