"""Progress that keeps how many slots each call of a network computed."""

from iscene_ros.models.base import Progress


class CallCounter(Progress):
    """Keeps the count of every call."""

    def __init__(self):
        super().__init__(None)
        self.counts = []

    def advance(self, count, what="complete"):
        """Keep the count, and go on."""
        self.counts.append(count)
        super().advance(count, what)
