"""Where the files of a published model come from: a folder or the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.packages.hub import HubSource
from iscene_ros.models.iscene.packages.source import FolderSource, Report, Source, split_hub_id


def open_source(
    name_or_folder: str,
    revision: str | None,
    fetch_hint: str,
    report: Report | None = None,
    fetch: bool = True,
) -> Source:
    """The source that a name stands for.

    Args:
        name_or_folder: a folder, or a hub id: owner/name or owner/name@revision.
        revision: branch, tag or commit on the hub; None = that of the id, or `main`.
        fetch_hint: what to do when files are missing.
        report: told what is fetched.
        fetch: whether the network may be used; False = only what is cached.

    Raises:
        ModelError: neither a folder nor a hub id, or a revision where there can be none.
    """
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ModelError(f"{folder}: a folder has no revision {revision!r}; leave it out")
        return FolderSource(folder, fetch_hint)
    repo_id, named_revision = split_hub_id(name_or_folder)
    if revision and named_revision and revision != named_revision:
        raise ModelError(f"{name_or_folder}: revision {revision!r} contradicts the name's")
    return HubSource(repo_id, revision or named_revision, report, None if fetch else fetch_hint)
