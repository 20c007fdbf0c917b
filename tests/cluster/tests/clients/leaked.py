"""Signs a report as GitHub does, with a key of its own, and sends it to examples/leaks/github.py and check.py."""

import base64
import json
import os
import subprocess
import sys

import psycopg
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, sys.argv[1])
import check
import github

private_key = ec.generate_private_key(ec.SECP256R1())
pem = private_key.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
keys = {"public_keys": [{"key_identifier": "one", "key": pem.decode(), "is_current": True}]}


def signed(body, identifier="one"):
    signature = base64.b64encode(private_key.sign(body, ec.ECDSA(hashes.SHA256()))).decode()
    return {"Github-Public-Key-Identifier": identifier, "Github-Public-Key-Signature": signature}


secret = os.environ["SECRET"]
other = secret[:-1] + ("a" if secret[-1] != "a" else "b")
matches = [
    {"token": secret, "type": "acme_token", "url": "https://git.example/" + "x" * 300, "source": "content"},
    {"token": other, "type": "acme_token", "url": "", "source": "commit"},
]
body = json.dumps(matches).encode()
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    print(github.handle(body, {}, keys, connection))
    print(github.handle(body, signed(body, "two"), keys, connection))
    print(github.handle(body + b" ", signed(body), keys, connection))
    print(github.handle(body, {**signed(body), "Github-Public-Key-Signature": "nonsense"}, keys, connection))
    status, answers = github.handle(body, signed(body), keys, connection)
    print(status, [answer["label"] for answer in answers], [answer["token_raw"] == match["token"] for answer, match in zip(answers, matches)])

text = f"key = '{secret}' and\n{other} and tok_{'0' * 49}".encode()
print(check.secrets_in(text) == [secret.encode()])
found = subprocess.run([sys.executable, sys.argv[1] + "/check.py"], input=text, capture_output=True)
print(found.returncode, found.stdout.decode().strip() == secret[:8] + "..." + secret[-4:])
