"""Peers under TLS in Python's words: keys and certificates by the openssl command, which must not be
the product's own."""
import ssl
import subprocess

ALPN = "starling/1"


class Identity:
    """An Ed25519 key with a self-signed certificate, as any other program would make it."""

    def __init__(self, folder, name):
        self.key, self.certificate = folder / f"{name}.key", folder / f"{name}.crt"
        if not self.key.exists():
            openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
            self.key.chmod(0o600)
        openssl("req", "-new", "-x509", "-key", self.key, "-subj", f"/CN={name}", "-days", "1",
                "-out", self.certificate)


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def client(identity=None, version=ssl.TLSVersion.TLSv1_3, alpn=ALPN):
    """A context of a client that takes whatever certificate the server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols([alpn])
    if identity:
        context.load_cert_chain(identity.certificate, identity.key)
    return context


def server(identity):
    """A context of a server that asks for no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    context.load_cert_chain(identity.certificate, identity.key)
    return context
