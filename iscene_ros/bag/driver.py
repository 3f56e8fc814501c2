"""Processing of a recorded bag by a session: the offline counterpart of the node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iscene_ros.bag.names import NODE_NAME, found_inputs, resolved
from iscene_ros.bag.reading import BagClock, BagMessage, BagReader
from iscene_ros.bag.writing import BagWriter, offered_qos, uninterrupted
from iscene_ros.core.errors import InputError
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.core.stamps import nanoseconds
from iscene_ros.ros.encoder import Encoder, encode_diagnostics
from iscene_ros.ros.message_decoder import MessageDecoder
from iscene_ros.ros.messages import RosbagsTypes
from iscene_ros.ros.topics import DIAGNOSTICS, DIAGNOSTICS_TYPE, MESHES, OUTPUTS, TF, output_topic
from iscene_ros.session.frames import PosedFrame
from iscene_ros.session.inputs import TransformSample
from iscene_ros.session.out_of_memory import Completer
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.session import SceneSession
from iscene_ros.session.settings import Settings


@dataclass
class BagCounts:
    """Counts of a bag's frames.

    Attributes:
        frames: frames whose messages and pose were all there.
        completed: frames that were completed.
        left_out: frames that were left out by `every`.
        interrupted: whether Ctrl-C ended it before the end of the bag.
        damage: why the rest of the bag cannot be read, or "".
    """

    frames: int = 0
    completed: int = 0
    left_out: int = 0
    interrupted: bool = False
    damage: str = ""


class BagDriver:
    """Reads the input topics of a bag, completes their frames and writes all outputs.

    The time is that of the bag and stands still while a frame is completed: `rate`, `max_age` and
    `mode` do not apply, and no frame is dropped for another. Every n-th ready frame is completed,
    from the first on; `keep_inputs` writes the messages that were read, too; static transforms hold
    besides those of the bag.

    Raises:
        InputError: the bag lacks a topic, or one has another type.
    """

    def __init__(
        self,
        reader: BagReader,
        settings: Settings,
        log: Callable[[str], None],
        every: int = 1,
        keep_inputs: bool = False,
        static_transforms: Sequence[TransformSample] = (),
    ) -> None:
        self._reader, self._log = reader, log
        self._every, self._keeps_inputs = every, keep_inputs
        self._settings = replace(settings, max_age=0.0, mode="continuous")
        self._static_transforms = tuple(static_transforms)
        self._inputs = found_inputs(
            reader.path, reader.topics, settings, has_transforms=bool(static_transforms)
        )
        self._tf_static = resolved(settings.topics_tf_static)
        self._types = RosbagsTypes()
        self._encoder = Encoder(self._types, settings, resolved(MESHES))
        self._decoder = MessageDecoder(settings, self._reject)
        self._clock = BagClock(reader, [n for n, t in self._inputs.items() if "tf" not in t.key])
        self._session: SceneSession
        self._writer: BagWriter
        self.counts = BagCounts()

    @property
    def message_count(self) -> int:
        """Number of messages to read."""
        return self._reader.count(self._inputs)

    def run(
        self, completer: Completer, writer: BagWriter, progress: Callable[[int], None]
    ) -> SceneSession:
        """Process the bag to its end, to Ctrl-C, or to where it is damaged; return the session.

        `progress` is called after every message with the number of completed frames.
        """
        self._session = SceneSession(self._settings, completer, self._log, in_order=True)
        self._writer = writer
        try:
            # First, as they hold for all times, but may be recorded late.
            for sample in self._static_transforms:
                self._session.add(sample, self._clock.now_ns)
            for message in self._reader.messages([self._tf_static]):
                self._clock.advance(message.log_ns)
                self._add(message)
            for message in self._reader.messages(self._inputs):
                self._receive(message)
                progress(self.counts.completed)
            self._finish()
        except KeyboardInterrupt:
            self.counts.interrupted = True
        except InputError as error:
            self.counts.damage = str(error)
        return self._session

    def _receive(self, message: BagMessage) -> None:
        self._clock.advance(message.log_ns)
        if self._keeps_inputs:
            latched = message.topic == self._tf_static
            qos = self._reader.qos(message.topic) or offered_qos(latched)
            typed = message.topic, message.type_name, message.cdr(), message.log_ns
            with uninterrupted():
                self._writer.write(*typed, message.typestore, qos)
        if message.topic != self._tf_static:
            self._add(message)
            self._complete_ready()

    def _add(self, message: BagMessage) -> None:
        try:
            decoded = message.decode()
        except InputError as error:
            self._reject(RejectReason.MALFORMED, str(error))
            return
        key = self._inputs[message.topic].key
        try:
            items = self._decoder.decode(key, decoded)
        except Exception as error:  # a fault of the decoder must not end the run
            self._reject(RejectReason.MALFORMED, f"{key}: {type(error).__name__}: {error}")
            return
        for item in items:
            self._session.add(item, self._clock.now_ns)

    def _reject(self, reason: RejectReason, line: str) -> None:
        self._session.reject(reason, line, self._clock.now_ns)

    def _finish(self) -> None:
        """Advance the time until the last frames no longer wait for messages and poses."""
        for seconds in (self._settings.sync_slop, self._settings.transform_timeout):
            self._clock.wait(nanoseconds(seconds) + 1)
            self._complete_ready()
        self._session.frames.finish(self._clock.now_ns)

    def _complete_ready(self) -> None:
        while self._session.poll(self._clock.now_ns):
            frame = self._session.take(self._clock.now_ns)
            self.counts.frames += 1
            if (self.counts.frames - 1) % self._every:
                self.counts.left_out += 1
            else:
                self._complete(frame)

    def _complete(self, frame: PosedFrame) -> None:
        update = None
        try:
            update = self._session.complete(frame, self._clock.now_ns)
        except Exception as error:  # the next frame may be completed
            self._session.fail(error, self._clock.now_ns)
        messages = [] if update is None else self._messages(update)
        messages.append((DIAGNOSTICS, self._diagnostics()))
        with uninterrupted():
            self.counts.completed += update is not None
            for name, data in messages:
                self._write(name, data)

    def _messages(self, update: SceneUpdate) -> list[tuple[str, bytes]]:
        no_frames = not (self._settings.publish_tf and update.objects)
        absent = {DIAGNOSTICS, TF} if no_frames else {DIAGNOSTICS}
        messages = []
        for name in (topic.name for topic in OUTPUTS if topic.name not in absent):
            try:
                messages.append((name, self._encoder.encode_cdr(name, update)))
            except Exception as error:  # whatever one output lacks, the others have
                self._reject(RejectReason.OUTPUT, f"{name}: {type(error).__name__}: {error}")
        return messages

    def _diagnostics(self) -> bytes:
        now = self._clock.now_ns
        hardware = f"{Path(self._settings.model).name} on {self._settings.device}"
        status = self._session.status(now)
        message = encode_diagnostics(self._types, status, f"{NODE_NAME}: scene", hardware, now)
        return self._types.serialize(DIAGNOSTICS_TYPE, message)

    def _write(self, name: str, data: bytes) -> None:
        topic = output_topic(name)
        self._writer.write(
            resolved(self._settings.topics_tf if name == TF else name),
            topic.type_name,
            data,
            self._clock.log_ns,
            self._types.typestore,
            offered_qos(topic.latched),
        )
