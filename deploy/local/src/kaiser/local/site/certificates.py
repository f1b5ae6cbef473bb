"""An authority of the site's own, and a certificate for each server: so that everything inside speaks TLS."""

import datetime as dt
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 397
"""Longer ones are refused by browsers."""
RENEW_DAYS: Final = 60
_DAY: Final = dt.timedelta(days=1)


class Authority:
    """The site's authority; its key stays in its folder.

    Args:
        folder: Where ``ca.crt`` and ``ca.key`` are, made at first use.
        now: The present time.
    """

    def __init__(self, folder: Path, *, now: dt.datetime) -> None:
        self._now = now
        certificate, key = folder / "ca.crt", folder / "ca.key"
        if not certificate.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            private = ec.generate_private_key(ec.SECP256R1())
            key.touch(mode=0o600)
            key.write_bytes(_pem(private))
            certificate.write_bytes(self._sign_itself(private).public_bytes(serialization.Encoding.PEM))
        self._key = _private_key(key.read_bytes())
        self._certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
        self.text = certificate.read_text()

    def issue(self, name: str, names: Iterable[str]) -> tuple[str, str]:
        """A certificate and its key, as PEM.

        Args:
            name: Who it is for.
            names: Host names and addresses under which it is reached.
        """
        private = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        signed = (
            self._builder(name, private.public_key(), SERVER_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(text) for text in names]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return signed.public_bytes(serialization.Encoding.PEM).decode(), _pem(private).decode()

    def holds(self, pem: str, names: Iterable[str]) -> bool:
        """Whether a certificate is ours, for these names, and good for a while."""
        certificate = x509.load_pem_x509_certificate(pem.encode())
        covered = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        return (
            certificate.not_valid_after_utc - self._now > RENEW_DAYS * _DAY
            and covered == {_general_name(text) for text in names}
            and self._signed(certificate)
        )

    def _signed(self, certificate: x509.Certificate) -> bool:
        wanted = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value == wanted

    def _sign_itself(self, private: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Kaiser site authority")])
        return (
            self._builder("Kaiser site authority", private.public_key(), AUTHORITY_DAYS, issuer=name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_may_sign_certificates(), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
            .sign(private, hashes.SHA256())
        )

    def _builder(
        self, name: str, key: ec.EllipticCurvePublicKey, days: int, *, issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer or self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _DAY)  # clocks of devices differ
            .not_valid_after(self._now + days * _DAY)
        )


def _may_sign_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"the authority's key is of another kind: {type(key).__name__}")
    return key
