"""Amazon EKS: ``platform`` asks AWS, ``failures`` reads what it complains about, ``images`` names node images."""

from echelon.upgrade.providers.eks.platform import EksPlatform

__all__ = ["EksPlatform"]
