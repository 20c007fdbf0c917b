"""Receives the reports of GitHub's secret scanning, checks their signature, and pauses the tokens that leaked.

The message and its headers are those of the secret scanning partner program. `keys` is the answer of GitHub's API
(meta/public_keys/secret_scanning): fetch it when a key identifier is new, and not at each request.
"""

import base64
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def is_signed(body, identifier, signature, keys):
    """Returns true if `body`, the bytes as they were received, was signed with the key of this identifier."""
    key = next((key["key"] for key in keys["public_keys"] if key["key_identifier"] == identifier), None)
    if key is None:
        return False
    try:
        public_key = serialization.load_pem_public_key(key.encode())
        public_key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def handle(body, headers, keys, connection):
    """Returns the status and the answer, which tells GitHub which matches were tokens."""
    identifier = headers.get("Github-Public-Key-Identifier", "")
    signature = headers.get("Github-Public-Key-Signature", "")
    if not is_signed(body, identifier, signature, keys):
        return 401, []
    answers = []
    for match in json.loads(body):
        # The URL may be empty, and longer than the 255 characters of a name.
        source = ("github: " + (match.get("url") or match["source"]))[:255]
        token_id, account, owner, name = connection.execute(
            "SELECT token_id, account, owner, name FROM token_auth.report_leaked_secret(%s, %s)",
            (match["token"], source),
        ).fetchone()
        connection.commit()
        if token_id is not None:
            notify(account, owner, name)
        label = "false_positive" if token_id is None else "true_positive"
        answers.append({"token_raw": match["token"], "token_type": match["type"], "label": label})
    return 200, answers


def notify(account, owner, name):
    print(f"tell {owner} of {account}: the token {name} was found in public, and is paused")
