"""Makes the tables of both packages by their migrations, and keys by the packages themselves."""

import datetime

import django_project
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from knox.models import AuthToken
from rest_framework_api_key.models import APIKey

call_command("migrate", verbosity=0)
user = User.objects.create_user("ann")
_, token = AuthToken.objects.create(user, expiry=datetime.timedelta(days=30))
print("knox", token)
_, token = AuthToken.objects.create(user, expiry=datetime.timedelta(seconds=-1))
print("knox_expired", token)
_, key = APIKey.objects.create_key(name="partner")
print("key", key)
_, key = APIKey.objects.create_key(name="gone", revoked=True)
print("key_revoked", key)
_, key = APIKey.objects.create_key(name="late", expiry_date=timezone.now() - datetime.timedelta(days=1))
print("key_expired", key)
# A key of an older version: PBKDF2 with a salt.
row, key = APIKey.objects.create_key(name="from before")
row.delete()
hashed = make_password(key, hasher="pbkdf2_sha256")
APIKey.objects.create(name="from before", prefix=row.prefix, hashed_key=hashed, id=row.prefix + "." + hashed)
print("key_pbkdf2", key)
