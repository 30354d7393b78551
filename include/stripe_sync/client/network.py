"""Proxy and certificate authorities of the network, from the usual environment variables."""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import stripe

from stripe_sync.client.credential import Credential
from stripe_sync.errors import ConfigurationError

CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name files or folders of certificate authorities."""

CA_REMEDY = (
    "if a proxy of your network signs its certificate, set SSL_CERT_FILE or REQUESTS_CA_BUNDLE, or "
    "the CA bundle of the connection, to a PEM file with that proxy's certificate authority"
)


def proxy_for(credential: Credential) -> str | None:
    """The proxy for requests to the API of a credential; None to connect directly.

    That of the credential, else that of the environment: ``HTTPS_PROXY``, ``HTTP_PROXY``,
    ``ALL_PROXY`` and ``NO_PROXY`` are read, in lower case too.

    Returns:
        ``http://user:password@host:port``.

    Raises:
        ConfigurationError: The proxy is not one for HTTP.
    """
    scheme = urlsplit(credential.api_base).scheme
    if credential.livemode and scheme == "http":
        return None  # this host itself: a live key does not leave it without encryption
    proxy = credential.proxy or _proxy_of_the_environment(scheme, credential.host)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_http(proxy):
        # The address is not repeated: it may have a password.
        msg = (
            f"the proxy of {scheme}:// requests (of the connection, or HTTPS_PROXY, HTTP_PROXY or "
            "ALL_PROXY) must be an HTTP proxy such as http://proxy.example:3128"
        )
        raise ConfigurationError(msg)
    return proxy


def _proxy_of_the_environment(scheme: str, host: str) -> str | None:
    proxies = getproxies()
    return None if proxy_bypass(host) else proxies.get(scheme) or proxies.get("all")


def _is_http(proxy: str) -> bool:
    parts = urlsplit(proxy)
    try:
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        return False


def ssl_context(credential: Credential) -> ssl.SSLContext:
    """Trusts the authorities of the credential, else of ``CA_VARIABLES``, else of Stripe's SDK.

    Raises:
        ConfigurationError: The credential, or a variable, names no certificates.
    """
    if credential.ca_bundle:
        return _context((("the CA bundle", credential.ca_bundle),))
    paths = {name: os.environ[name] for name in CA_VARIABLES if os.environ.get(name)}
    return _context(tuple(paths.items()) or (("", stripe.ca_bundle_path),))


@cache
def _context(paths: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for variable, path in paths:
        try:
            is_folder = Path(path).is_dir()
            context.load_verify_locations(
                cafile=None if is_folder else path, capath=path if is_folder else None
            )
        except OSError as error:  # errors of TLS among them
            msg = (
                f"{variable} must name a PEM file, or a folder, of certificate authorities; "
                f"{path} cannot be used: {error}"
            )
            raise ConfigurationError(msg) from error
    return context
