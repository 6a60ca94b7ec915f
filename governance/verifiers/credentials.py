"""Credentials by the patterns of detect-secrets, without its entropy and keyword plugins.

The two entropy plugins take nearly every English word for a secret, and the keyword plugin
repeats our own rule for ``password: …`` at ten times the cost; addresses (public IP) are no
secret. Nothing is verified over the network: a plugin's ``verify`` is never called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Final, Protocol

_PLUGINS: Final = {
    "artifactory": "ArtifactoryDetector",
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "cloudant": "CloudantDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "ibm_cloud_iam": "IbmCloudIamDetector",
    "ibm_cos_hmac": "IbmCosHmacDetector",
    "mailchimp": "MailchimpDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "softlayer": "SoftlayerDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
"""Module and class in ``detect_secrets.plugins``. Left out besides the above: basic
authentication, JSON web tokens, npm and OpenAI, whose patterns take quadratic time on text
that is made for it; ``recognisers`` has them in other forms."""


class _Plugin(Protocol):
    """A detect-secrets plugin, as far as it is used here."""

    secret_type: str

    def analyze_string(self, string: str) -> Iterable[str]: ...


def find_credentials(text: str) -> Iterator[tuple[str, str]]:
    """Kind and value of every hit, plugin by plugin."""
    for plugin in _plugins():
        for value in plugin.analyze_string(text):
            yield plugin.secret_type, value


@lru_cache(maxsize=1)
def _plugins() -> tuple[_Plugin, ...]:
    # 0.2 s of imports, for the first entry that is verified and not for every command.
    package = "detect_secrets.plugins"
    return tuple(getattr(import_module(f"{package}.{m}"), c)() for m, c in _PLUGINS.items())
