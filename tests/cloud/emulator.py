"""Starts the emulator of AWS: over TLS for the names that a stack prints, and as strict about sizes as Lambda is.

Arguments: a folder for the certificate, keys and the sizes of what was invoked. The port is GATEWAY_PORT.
"""

import datetime
import ipaddress
import json
import os
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# AWS Lambda: quotas, request and response payload of a synchronous invocation. The emulator lets more pass.
LIMIT = 6_291_556

folder = pathlib.Path(sys.argv[1])


def make_certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    region = os.environ["MINISTACK_REGION"]
    names = [
        "localhost",
        f"*.lambda-url.{region}.on.aws",
        "*.execute-api.localhost",
        f"*.s3.{region}.amazonaws.com",
        "light.example.com",
    ]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "emulator")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName(one) for one in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))


def be_strict(worker):
    invoke = worker.invoke

    def strict(self, event, *arguments, **named):
        note(self.func_name, "event", event)
        answer = invoke(self, event, *arguments, **named)
        note(self.func_name, "answer", answer.get("result") if isinstance(answer, dict) else answer)
        return answer

    worker.invoke = strict


def note(function, what, value):
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    with open(folder / "sizes", "a", encoding="utf-8") as sizes:
        sizes.write(f"{function} {what} {size}\n")
    if size > LIMIT:
        raise RuntimeError(f"the {what} of {function} has {size} bytes, and Lambda takes {LIMIT}")


make_certificate()
os.environ["USE_SSL"] = "1"
os.environ["MINISTACK_SSL_CERT"] = str(folder / "cert.pem")
os.environ["MINISTACK_SSL_KEY"] = str(folder / "key.pem")

from ministack import app  # noqa: E402 (it reads the environment when it is imported)
from ministack.core import lambda_runtime  # noqa: E402

be_strict(lambda_runtime.ProvidedWorker)
# Where it may, the emulator listens on port 443 too. Of several that start at once one gets it, and another finds out too late:
# it ends while it begins again without.
app._port_is_bindable = lambda *_: False
sys.argv = sys.argv[:1]
app.main()
