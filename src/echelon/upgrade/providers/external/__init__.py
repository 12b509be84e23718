"""Programs and servers of the user as providers: ``protocol`` is what they are asked and answer.

``exec://NAME/…`` is upgraded by the program that the settings call NAME, ``webhook://NAME/…`` by the
server of that name. What follows NAME is theirs to understand.
"""

from echelon.upgrade.providers.external.command import Commands
from echelon.upgrade.providers.external.provider import ExternalProvider
from echelon.upgrade.providers.external.webhook import Webhooks

__all__ = ["Commands", "ExternalProvider", "Webhooks"]
