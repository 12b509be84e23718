"""Node images of EKS: what a node group calls them, and where AWS publishes the newest.

A release version (``1.31.4-20250123``) belongs to an AMI type and a Kubernetes minor version; both together are the
family here, as images only upgrade nodes within them: ``AL2023_x86_64_STANDARD-1.31-1.31.4.20250123``. A version
has no hyphen, so the last one of the release version is a full stop.
"""

from __future__ import annotations

from echelon.upgrade.versions import ImageVersion

_AMAZON_LINUX_2023 = {
    "AL2023_x86_64_STANDARD": "x86_64/standard",
    "AL2023_ARM_64_STANDARD": "arm64/standard",
    "AL2023_x86_64_NEURON": "x86_64/neuron",
    "AL2023_x86_64_NVIDIA": "x86_64/nvidia",
    "AL2023_ARM_64_NVIDIA": "arm64/nvidia",
}
_AMAZON_LINUX_2 = {
    "AL2_x86_64": "amazon-linux-2",
    "AL2_x86_64_GPU": "amazon-linux-2-gpu",
    "AL2_ARM_64": "amazon-linux-2-arm64",
}
_BOTTLEROCKET = {
    "BOTTLEROCKET_x86_64": ("", "x86_64"),
    "BOTTLEROCKET_ARM_64": ("", "arm64"),
    "BOTTLEROCKET_x86_64_NVIDIA": ("-nvidia", "x86_64"),
    "BOTTLEROCKET_ARM_64_NVIDIA": ("-nvidia", "arm64"),
}


def published_at(ami_type: str, version: str) -> str | None:
    """The public parameter of SSM with the newest release version; None for AMI types that have none."""
    if (path := _AMAZON_LINUX_2023.get(ami_type)) is not None:
        return f"/aws/service/eks/optimized-ami/{version}/amazon-linux-2023/{path}/recommended/release_version"
    if (name := _AMAZON_LINUX_2.get(ami_type)) is not None:
        return f"/aws/service/eks/optimized-ami/{version}/{name}/recommended/release_version"
    if ami_type in _BOTTLEROCKET:
        variant, architecture = _BOTTLEROCKET[ami_type]
        return f"/aws/service/bottlerocket/aws-k8s-{version}{variant}/{architecture}/latest/image_version"
    return None


def image_of(ami_type: str, version: str, release: str) -> str:
    """The name of an image, from what a node group says; empty if it says too little."""
    if published_at(ami_type, version) is None or not release[:1].isdigit():
        return ""
    return f"{ami_type}-{version}-{release.replace('-', '.')}"


def release_of(image: str) -> str:
    """The release version of an image."""
    number, _, build = ImageVersion.parse(image).version.rpartition(".")
    return f"{number}-{build}"
