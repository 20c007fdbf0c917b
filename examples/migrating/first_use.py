"""Imports a key at its first use. Its hash is slow and salted, so only the package itself can check it.

    python3 first_use.py ACCOUNT KEY
"""

import sys

import django_project
from django.db import connection, transaction
from rest_framework_api_key.models import APIKey


def code_of(cursor, key):
    cursor.execute("SELECT code FROM token_auth.verify_token(%s)", [key])
    return cursor.fetchone()[0]


def verify(account, key):
    """Returns the code of a verification."""
    with connection.cursor() as cursor, transaction.atomic():
        code = code_of(cursor, key)
        if code not in ("malformed", "not_found"):
            return code
        # Another request with the same key may come at the same time: one of them moves it, and the others wait here.
        old = APIKey.objects.select_for_update().filter(prefix=key.partition(".")[0]).first()
        if old is None:
            return code_of(cursor, key)
        if old.revoked or old.has_expired or not old.is_valid(key):
            return code
        cursor.execute(
            "SELECT token_auth.import_token(%s, %s, '{*}', all_domains => true, secret => %s, expires_at => %s, created_at => %s)",
            [account, old.name, key, old.expiry_date, old.created],
        )
        old.delete()
        return "ok"


if __name__ == "__main__":
    print(verify(int(sys.argv[1]), sys.argv[2]))
