"""Pictures with a C2PA manifest, signed by a certificate that nobody trusts, and their check.

Nothing of it reaches the network: no time stamp, no status of a certificate, no remote manifest.
"""

import io
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from c2pa import Builder, C2paSignerInfo, C2paSigningAlg, Context, Reader, Signer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.noise_images import noise_image

_SETTINGS = {"verify": {"ocsp_fetch": False, "remote_manifest_fetch": False}}
_MANIFEST = {
    "claim_generator_info": [{"name": "fake service", "version": "1"}],
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": (
                            "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
                        ),
                    }
                ]
            },
        }
    ],
}


def signed_image(picture_format: str, **options: Any) -> bytes:
    """A picture as a service sends it that signs its own; ``options`` are those of ``noise_image``."""
    plain, signed = io.BytesIO(noise_image(picture_format, **options)), io.BytesIO()
    manifest = json.dumps(_MANIFEST)
    with Context.from_dict(_SETTINGS) as context, Builder.from_json(manifest, context) as builder:
        builder.sign(_signer(), f"image/{picture_format}", plain, signed)
    return signed.getvalue()


def manifest_state(content: bytes, picture_format: str) -> str | None:
    """``Valid`` when signature and hash fit these bytes, whoever signed them; else ``Invalid``."""
    stream = io.BytesIO(content)
    with (
        Context.from_dict(_SETTINGS) as context,
        Reader(f"image/{picture_format}", stream, context=context) as reader,
    ):
        state: str | None = reader.get_validation_state()
        return state


@cache
def _signer() -> Signer:
    """Its certificate has what C2PA asks for: ES256, an authority of its own, the purpose of e-mail."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("authority", authority, "authority", authority, is_authority=True)
    leaf = _certificate("service", key, "authority", authority, is_authority=False)
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, root))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Signer.from_info(C2paSignerInfo(C2paSigningAlg.ES256, chain, private, None))


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now, subject = datetime.now(UTC), key.public_key()
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not is_authority:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )
