"""Settings of the controller of upgrades and of the providers that are built in.

They are a part of the settings of a hub (see ``echelon.hub.settings``), in camel case::

    providers:
      stoppedClusters: Wait
      aws: {profile: fleet}
      commands:
        talos: {command: [/usr/local/bin/upgrade-talos], timeout: 30}
      webhooks:
        onprem: {url: https://upgrades.example.com/hook, secretFile: /var/run/secrets/hook/key}

None of them is a secret: clouds are asked with the credentials that their SDKs find around the process,
and the key that signs webhooks is in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from echelon.kube.backoff import Backoff

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Settings as they stand in a file."""


class AzureSettings(_Settings, frozen=True, kw_only=True):
    """How Azure is reached. ``endpoint``: instead of ``https://management.azure.com`` (see ``endpoints``)."""

    endpoint: str = ""


class AwsSettings(_Settings, frozen=True, kw_only=True):
    """How AWS is reached: as a profile of the shared configuration files, or as the environment says.

    ``endpoint``: instead of those of EKS and SSM in each region (see ``endpoints``).
    """

    profile: str = ""
    endpoint: str = ""


class GoogleSettings(_Settings, frozen=True, kw_only=True):
    """How Google Cloud is reached. ``endpoint``: instead of ``https://container.googleapis.com``."""

    endpoint: str = ""


class ClusterApiSettings(_Settings, frozen=True, kw_only=True):
    """How Cluster API is judged: a topology that fails to reconcile for ``failure_grace`` seconds has failed."""

    failure_grace: Seconds = 300.0


class PlanSettings(_Settings, frozen=True, kw_only=True):
    """How Plans of system-upgrade-controller are made.

    ``image`` upgrades a node; it has a tag for each version. ``channel`` is where the newest patch of a
    minor version is found. ``service_account`` runs the jobs, ``concurrency`` is how many nodes go at a time.
    """

    image: str = "rancher/k3s-upgrade"
    channel: str = "https://update.k3s.io/v1-release/channels"
    service_account: str = "system-upgrade"
    concurrency: Count = 1
    job_deadline: Count = 3600


class CommandSettings(_Settings, frozen=True, kw_only=True):
    """A program that upgrades clusters; ``timeout`` is the seconds that a call may take."""

    command: tuple[str, ...]
    timeout: Seconds = 60.0
    environment: Mapping[str, str] = {}


class WebhookSettings(_Settings, frozen=True, kw_only=True):
    """A server that upgrades clusters. What is in ``secret_file`` signs the calls; it is read for each."""

    url: str
    secret_file: Path
    timeout: Seconds = 30.0


class ProviderSettings(_Settings, frozen=True, kw_only=True):
    """How upgrades are driven; times in seconds.

    ``progress_interval`` is the least time between two writes of how far an upgrade is. ``polling`` is how
    platforms that cannot be watched are asked, ``retry`` how failures and obstacles are tried again.
    An upgrade without progress for ``stalled_after`` is reported, for ``give_up_after`` has failed.

    Members whose cluster is stopped are skipped or waited for. ``platform_windows``: maintenance windows
    that the platform has are kept too. ``threads`` is how many calls of SDKs without an asynchronous
    client run at a time, ``disabled`` names schemes that are left to providers elsewhere.
    """

    progress_interval: Seconds = 1.0
    polling: Backoff = Backoff(first=5.0, cap=60.0)
    retry: Backoff = Backoff(first=1.0, cap=300.0)
    stalled_after: Seconds = 1800.0
    give_up_after: Seconds = 14400.0
    workers: Count = 16
    stopped_clusters: Literal["Skip", "Wait"] = "Skip"
    platform_windows: bool = True
    threads: Count = 8
    disabled: tuple[str, ...] = ()
    azure: AzureSettings = AzureSettings()
    aws: AwsSettings = AwsSettings()
    google: GoogleSettings = GoogleSettings()
    cluster_api: ClusterApiSettings = ClusterApiSettings()
    plans: PlanSettings = PlanSettings()
    commands: Mapping[str, CommandSettings] = {}
    webhooks: Mapping[str, WebhookSettings] = {}
