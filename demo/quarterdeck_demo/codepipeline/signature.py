"""Signature Version 4: who signed a request, checked over what was sent.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote

from quarterdeck_demo.messages import Request

_FIELD = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


class Unsigned(Exception):
    """The request is not validly signed: `code` and `message` as AWS says it, with its status."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def signer(request: Request, secrets: Mapping[str, str]) -> str:
    """The access key that signed. Raises Unsigned for a missing, unknown or wrong signature."""
    header = request.header("authorization")
    if not header.startswith("AWS4-HMAC-SHA256"):
        raise Unsigned("MissingAuthenticationTokenException", "Missing Authentication Token", 400)
    fields = dict(_FIELD.findall(header))
    key, _, scope = fields.get("Credential", "").partition("/")
    secret = secrets.get(key)
    if secret is None:
        raise Unsigned("UnrecognizedClientException", "The security token included in the request is invalid.", 400)
    names = fields.get("SignedHeaders", "").split(";")
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name in sorted(request.query) for value in sorted(request.query[name])
    )  # fmt: skip
    canonical = "\n".join((
        request.method, request.path, query,
        *(f"{name}:{' '.join(request.header(name).split())}" for name in names), "",
        ";".join(names), hashlib.sha256(request.body).hexdigest(),
    ))  # fmt: skip
    at = request.header("x-amz-date")
    told = "\n".join(("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signing = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    wanted: str = hmac.digest(signing, told.encode(), "sha256").hex()
    if not hmac.compare_digest(wanted, fields.get("Signature", "")):
        raise Unsigned(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.", 403,
        )  # fmt: skip
    return str(key)
