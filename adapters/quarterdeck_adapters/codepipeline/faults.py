"""What botocore raises, as our own errors: nothing of botocore crosses the port.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import re
from typing import Any

from quarterdeck_adapters.ci.values import section, shown, text, whole
from quarterdeck_adapters.http import retry_after
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    RateLimited,
    Timeout,
    Unavailable,
    Unsupported,
)

THROTTLED = frozenset({
    "ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown",
})  # fmt: skip
UNSIGNED = frozenset({
    "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature", "ExpiredToken",
    "IncompleteSignatureException", "ExpiredTokenException", "AuthFailure", "OptInRequired", "RequestExpired",
})  # fmt: skip
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"})
_ACTION = re.compile(r"perform: ([a-z0-9-]+:[A-Za-z]+)")
_SIGNING = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound",
            "TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError", "SSOError", "NoAuthTokenError",
            "RefreshWithMFAUnsupportedError", "ConfigParseError", "LoginError", "LoginTokenLoadError",
            "MetadataRetrievalError", "UnknownCredentialError")  # fmt: skip
CHAIN = "set profile: in options:, AWS_PROFILE, or username: and password: of this source; aws sts get-caller-identity"


def translated(error: BaseException, *, source: str, what: str, address: str, now: float) -> QuarterdeckError:
    """The typed error for anything that a call through botocore raised. `now` is epoch seconds."""
    if isinstance(error, QuarterdeckError):
        return error
    names = [kind.__name__ for kind in type(error).__mro__]
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "ClientError" in names:
        return answered(response, source=source, what=what, now=now)
    why = str(error) or names[0]
    if any(name in _SIGNING for name in names):
        expired = "expired" in why.lower() or "sso" in names[0].lower()
        mend = "sign in again: aws sso login" if expired else CHAIN
        return AuthFailed(what, source=source, why=why, mend=mend)
    if "NoRegionError" in names:
        return Unsupported(what, source=source, why="no region is known", mend="add options: {region: eu-west-1} to it")
    if "ConnectTimeoutError" in names or "ReadTimeoutError" in names:
        return Timeout(what, source=source, why=f"no answer from {address} in time", mend="check the way to AWS")
    if "ParamValidationError" in names:
        return Conflict(what, source=source, why=why)
    if "SSLError" in names:
        return Unavailable(what, source=source, why=why, mend="a private authority? name its file in ca_file:")
    if "ResponseParserError" in names or isinstance(error, ValueError | KeyError | TypeError | AttributeError):
        return Malformed(what, source=source, why=why, mend="check url:; a proxy or a login page may stand between")
    return Unavailable(what, source=source, why=why, mend="check the region, the address and the way to AWS")


def answered(response: dict[str, Any], *, source: str, what: str, now: float) -> QuarterdeckError:
    """The typed error of an error answer, by its code, else by its status."""
    code, why = text(section(response, "Error").get("Code")), text(section(response, "Error").get("Message"))
    metadata = section(response, "ResponseMetadata")
    status = whole(metadata.get("HTTPStatusCode")) or 0
    headers = {str(name).lower(): text(value) for name, value in section(metadata, "HTTPHeaders").items()}
    if "html" in headers.get("content-type", ""):
        why = f"{status}, a page of HTML"
    named = ": ".join(filter(None, (code, why))) or str(status)
    if code in THROTTLED or status == 429:
        return RateLimited(what, source=source, why=named, retry_after=retry_after(headers, now))
    if code in UNSIGNED or status == 401:
        mend = CHAIN
        if "expired" in named.lower() or "not yet current" in named.lower():
            late = "signature" in named.lower()
            mend = "set this machine's clock" if late else "the session has ended: sign in again (aws sso login)"
        return AuthFailed(what, source=source, why=named, mend=mend)
    if code in DENIED or status == 403:
        found = _ACTION.search(why)
        scope = found[1] if found else ""
        mend = f"ask for {scope} in a policy of this identity" if scope else ""
        return Forbidden(what, source=source, why=named, scope=scope, mend=mend)
    if code.endswith(("NotFoundException", "NotFound")) or status == 404:
        return NotFound(what, source=source, why=named, mend="it is gone, or of another region or account")
    if 400 <= status < 500:
        return Conflict(what, source=source, why=shown(named, 500))
    return Unavailable(what, source=source, why=named, mend="see AWS's health page of this region")
