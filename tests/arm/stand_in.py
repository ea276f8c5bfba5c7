"""A stand-in for the management API of Azure API Management, for tests. It is not Azure and says so in every answer.

It serves the entities of an APIOps folder as the documented REST surface (api-version 2024-05-01): lists with pages,
entity tags, policies as `xml` and `rawxml`, `listSecrets` and `listValue`, errors in the documented form, throttling by
a token bucket with the documented header fields. Beside it, on the same port: a token endpoint with client secret,
client assertion and federated token; the metadata service of a virtual machine; Azure Arc; a Key Vault.
The folder is read at each request, so an edit of a file is an edit of the service.

Arguments: one JSON object (see `DEFAULTS`). Prints one line of JSON with its port when it listens.
`POST /stand-in` changes behaviour (`throttle`, `deny`, `fail`, `revoke`), `GET /stand-in` tells what was asked.
"""

import base64
import hashlib
import json
import os
import re
import ssl
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

DEFAULTS = {
    "folder": None,            # the APIOps folder
    "secrets": None,           # JSON file: {"subscriptions": {name: [primary, secondary]}, "namedValues": {name: value},
                               #             "vault": {name: {"value": ..., "contentType": ...}}, "gateways": {...}}
    "address": "127.0.0.1",
    "port": 0,
    "certificate": None,       # PEM chain; without it plain HTTP
    "key": None,
    "subscription": "00000000-0000-0000-0000-000000000001",
    "group": "rg",
    "service": "contoso",
    "tenant": "11111111-1111-1111-1111-111111111111",
    "clients": {},             # client id: {"secret": ..., "certificate": PEM path, "federated": text}
    "page": 100,               # items of a page
    "arc_folder": None,        # where challenges of Azure Arc are written
    "name": None,              # the host name in addresses that answers hold
}
VERSIONS = ("2021-08-01", "2022-08-01", "2023-05-01-preview", "2024-05-01", "2024-06-01-preview")
READS, REFILL = 250.0, 25.0


class Fault(Exception):
    """An answer that is no success."""

    def __init__(self, status, code, message, headers=None, details=None):
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        error = {"code": code, "message": message}
        if details:
            error["details"] = details
        self.body = {"error": error}


def not_found(what="Resource"):
    return Fault(404, "ResourceNotFound", f"{what} not found.")


class Folder:
    """The entities of a folder at one moment."""

    KINDS = {  # list of the API: (folder, file)
        "apiVersionSets": ("version sets", "versionSetInformation.json"),
        "backends": ("backends", "backendInformation.json"),
        "caches": ("caches", "cacheInformation.json"),
        "certificates": ("certificates", "certificateInformation.json"),
        "diagnostics": ("diagnostics", "diagnosticInformation.json"),
        "gateways": ("gateways", "gatewayInformation.json"),
        "groups": ("groups", "groupInformation.json"),
        "loggers": ("loggers", "loggerInformation.json"),
        "namedValues": ("named values", "namedValueInformation.json"),
        "policyFragments": ("policy fragments", "policyFragmentInformation.json"),
        "products": ("products", "productInformation.json"),
        "schemas": ("schemas", "schemaInformation.json"),
        "subscriptions": ("subscriptions", "subscriptionInformation.json"),
        "apis": ("apis", "apiInformation.json"),
    }

    def __init__(self, root, service_id):
        self.root, self.service_id = root, service_id

    def path(self, *parts):
        if any(p in ("", ".", "..") or "/" in p for p in parts):
            raise not_found()
        return os.path.join(self.root, *parts)

    def text(self, *parts):
        try:
            with open(self.path(*parts), encoding="utf-8", newline="") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, *parts):
        try:
            return sorted(n for n in os.listdir(self.path(*parts)) if not n.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def absolute(self, value):
        """References leave the service as full ids."""
        if isinstance(value, str) and re.match(r"^/(apis|products|apiVersionSets|loggers|certificates|users)(/|$)", value):
            return self.service_id + value
        return value

    def properties(self, kind, name):
        folder, file = self.KINDS[kind]
        text = self.text(folder, name, file)
        if text is None:
            return None
        found = dict(json.loads(text).get("properties", {}))
        for key in ("apiVersionSetId", "scope", "loggerId", "ownerId"):
            if key in found:
                found[key] = self.absolute(found[key])
        if kind == "apis":
            found.setdefault("apiRevision", "1")
            found.setdefault("isCurrent", ";rev=" not in name)
            found.setdefault("isOnline", True)
            found.setdefault("subscriptionKeyParameterNames", {"header": "Ocp-Apim-Subscription-Key", "query": "subscription-key"})
        if kind == "namedValues":
            found.setdefault("secret", False)
            if found["secret"]:
                found.pop("value", None)
            found["provisioningState"] = "Succeeded"
            if "keyVault" in found:
                found["keyVault"] = dict(found["keyVault"], lastStatus={"code": "Success", "timeStampUtc": time.strftime("%Y-%m-%dT%H:%M:%SZ")})
        if kind == "subscriptions":
            found.pop("primaryKey", None)
            found.pop("secondaryKey", None)
        return found

    def entity(self, kind, name, properties=None, parent=""):
        properties = self.properties(kind, name) if properties is None else properties
        if properties is None:
            raise not_found(kind)
        kinds = re.sub(r"/[^/]+/", "/", parent + "/").strip("/")
        type_ = "/".join(filter(None, ["Microsoft.ApiManagement/service", kinds, kind]))
        return {"id": f"{self.service_id}/{parent + '/' if parent else ''}{kind}/{name}", "type": type_, "name": name, "properties": properties}

    def list(self, kind):
        folder, file = self.KINDS[kind]
        names = [n for n in self.names(folder) if self.text(folder, n, file) is not None]
        return [self.entity(kind, n) for n in names]

    def revisions(self, api):
        out = []
        for entity in self.list("apis"):
            name, _, revision = entity["name"].partition(";rev=")
            if name == api:
                p = entity["properties"]
                number = revision or p["apiRevision"]
                out.append({"apiId": f"/apis/{name};rev={number}", "apiRevision": number, "isOnline": p["isOnline"],
                            "isCurrent": p["isCurrent"], "privateUrl": f"/{p.get('path', '')};rev={number}",
                            "createdDateTime": "2026-01-01T00:00:00Z", "updatedDateTime": "2026-01-01T00:00:00Z"})
        # Flat, as documented: no id, no name, no `properties`.
        return out

    # Policies

    def documents(self):
        """Scopes that have a document: path below the service."""
        if self.text("policy.xml") is not None:
            yield "policies/policy"
        for product in self.names("products"):
            if self.text("products", product, "policy.xml") is not None:
                yield f"products/{product}/policies/policy"
        for api in self.names("apis"):
            if self.text("apis", api, "policy.xml") is not None:
                yield f"apis/{api}/policies/policy"
            for operation in self.names("apis", api, "operations"):
                if self.text("apis", api, "operations", operation, "policy.xml") is not None:
                    yield f"apis/{api}/operations/{operation}/policies/policy"

    def document(self, scope, raw):
        parts = scope.split("/")[:-2]
        if len(parts) == 4:  # the entity name is the service's, whatever letter case was asked for
            pass
        text = self.text(*parts, "policy.xml")
        if text is None:
            raise not_found("Policy")
        return self.policy(scope.rsplit("/", 1)[1], text, raw, "/".join(parts))

    def policy(self, name, text, raw, parent, kind="policies"):
        form = {"format": "rawxml", "value": text} if raw else {"format": "xml", "value": escaped(text)}
        return self.entity(kind, name, form, parent)

    # Operations

    def operations(self, api):
        described = self.specification(api)
        if described is None:
            return [], {}
        return Importer(described).operations()

    def specification(self, api):
        for extension in ("json", "yaml", "yml"):
            text = self.text("apis", api, f"specification.{extension}")
            if text is not None:
                return yaml.safe_load(text)
        return None


def escaped(text):
    """The form `xml`: what stands inside expressions is escaped."""
    return re.sub(r"@\(.*?\)|@\{.*?\}", lambda m: m.group(0).replace("&", "&amp;").replace("<", "&lt;"), text, flags=re.S)


class Importer:
    """OpenAPI to operation entities, by the documented rules of an import."""

    def __init__(self, document):
        self.document = document

    def follow(self, node):
        for _ in range(8):
            reference = node.get("$ref") if isinstance(node, dict) else None
            if not reference:
                return node
            target = self.document
            for part in reference[2:].split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def operations(self):
        out = []
        for section in ("paths", "x-ms-paths"):
            for path, item in (self.document.get(section) or {}).items():
                for method in ("get", "put", "post", "delete", "options", "head", "patch"):
                    if method in item:
                        out.append(self.operation(path, method, item, item[method]))
        types = (self.document.get("components") or {}).get("schemas") or {}
        schemas = {}
        if types:
            schemas["stand-in"] = {"contentType": "application/vnd.oai.openapi.components+json", "document": {"components": {"schemas": types}}}
        return out, schemas

    def operation(self, path, method, item, node):
        parameters = [self.follow(p) for p in (item.get("parameters") or []) + (node.get("parameters") or [])]
        template, in_template, query, headers = path, [], [], []
        for p in parameters:
            made = self.parameter(p)
            if p["in"] == "path":
                in_template.append(made)
            elif p["in"] == "query" and p.get("required"):
                if not re.search(rf"[?&]{re.escape(p['name'])}=", template):
                    template += ("&" if "?" in template else "?") + f"{p['name']}={{{p['name']}}}"
                in_template.append(made)
            elif p["in"] == "query":
                query.append(made)
            elif p["in"] == "header":
                headers.append(made)
        request = {"queryParameters": query, "headers": headers, "representations": []}
        if method not in ("get", "head", "options") and node.get("requestBody"):
            request["representations"] = self.content(self.follow(node["requestBody"]))
        responses = []
        for code, answer in (node.get("responses") or {}).items():
            answer = self.follow(answer)
            if str(code).isdigit():
                responses.append({"statusCode": int(code), "description": answer.get("description", ""),
                                  "representations": self.content(answer), "headers": []})
        name = node.get("operationId") or re.sub(r"[^a-z0-9]+", "-", f"{method}-{path}".lower()).strip("-")
        display = (node.get("summary") or node.get("operationId") or name)[:300]
        return {"name": name, "properties": {
            "displayName": display, "method": method.upper(), "urlTemplate": template, "description": node.get("description"),
            "templateParameters": in_template, "request": request, "responses": responses, "policies": None}}

    def parameter(self, node):
        schema = node.get("schema") or {}
        out = {"name": node["name"], "required": bool(node.get("required")), "values": [str(v) for v in schema.get("enum", [])]}
        if "$ref" in schema:
            out.update(schemaId="stand-in", typeName=schema["$ref"].rsplit("/", 1)[1], type="")
        else:
            out["type"] = schema.get("type", "string")
        return out

    def content(self, node):
        out = []
        for kind, media in (node.get("content") or {}).items():
            made = {"contentType": kind}
            schema = media.get("schema") or {}
            if "$ref" in schema:
                made.update(schemaId="stand-in", typeName=schema["$ref"].rsplit("/", 1)[1])
            examples = {}
            if "example" in media:
                examples["default"] = {"value": media["example"]}
            for name, example in (media.get("examples") or {}).items():
                examples[name] = {"value": self.follow(example).get("value")}
            if examples:
                made["examples"] = examples
            out.append(made)
        return out


class Service:
    """State beside the folder: rights, buckets, tokens."""

    def __init__(self, config):
        self.config = config
        self.id = (f"/subscriptions/{config['subscription']}/resourceGroups/{config['group']}"
                   f"/providers/Microsoft.ApiManagement/service/{config['service']}")
        self.lock = threading.Lock()
        self.tokens = {}            # token: (audience, end)
        self.bucket, self.filled = READS, time.monotonic()
        self.behaviour = {"throttle": None, "deny": [], "fail": [], "life": 3600}
        self.asked = {}
        self.throttled = 0
        self.keys = {}

    def folder(self):
        return Folder(self.config["folder"], self.id)

    def secrets(self):
        if not self.config["secrets"]:
            return {}
        with open(self.config["secrets"], encoding="utf-8") as file:
            return json.load(file)

    def token(self, audience):
        with self.lock:
            text = "stand-in." + uuid.uuid4().hex
            life = self.behaviour["life"]
            self.tokens[text] = (audience.rstrip("/"), time.time() + life)
            return {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": text}

    def admit(self, header, audiences):
        scheme, _, text = (header or "").partition(" ")
        with self.lock:
            known = self.tokens.get(text)
        if scheme.lower() != "bearer" or not text:
            raise Fault(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.",
                        {"WWW-Authenticate": 'Bearer authorization_uri="https://login.microsoftonline.com/", error="invalid_token"'})
        if known is None:
            raise Fault(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if known[1] < time.time():
            raise Fault(401, "ExpiredAuthenticationToken", "The access token expiry UTC time has passed.")
        if known[0] not in audiences:
            raise Fault(401, "InvalidAuthenticationTokenAudience", f"The access token has been obtained for wrong audience '{known[0]}'.")

    def draw(self):
        """One call from the bucket; the number that is left."""
        with self.lock:
            now = time.monotonic()
            limit = self.behaviour["throttle"] or {"reads": READS, "refill": REFILL, "after": 1}
            self.bucket = min(limit["reads"], self.bucket + limit["refill"] * (now - self.filled))
            self.filled = now
            if self.bucket < 1:
                self.throttled += 1
                raise Fault(429, "SubscriptionRequestsThrottled", "Number of requests for subscription exceeded the limit.",
                            {"Retry-After": str(limit.get("after", 1))})
            self.bucket -= 1
            return int(self.bucket)

    def control(self, change):
        with self.lock:
            for key, value in change.items():
                if key == "revoke":
                    self.tokens.clear()
                else:
                    self.behaviour[key] = value
            if "throttle" in change:
                self.bucket = 0 if change["throttle"] else READS

    def report(self):
        with self.lock:
            return {"asked": self.asked, "throttled": self.throttled, "bucket": self.bucket}

    # The surface

    def read(self, parts, query):
        """GET and HEAD: (entity, is a list)."""
        f = self.folder()
        raw = query.get("format", "xml") == "rawxml"
        match parts:
            case []:
                return {"id": self.id, "name": self.config["service"], "type": "Microsoft.ApiManagement/service", "location": "stand-in",
                        "etag": "AAAA", "sku": {"name": "Premium", "capacity": 1},
                        "properties": {"gatewayUrl": "https://stand-in.invalid", "publisherEmail": "stand-in@invalid", "publisherName": "stand-in",
                                       "provisioningState": "Succeeded"}}, False
            case ["allPolicies"]:
                return [f.entity("allPolicies", base64.urlsafe_b64encode(d.encode()).decode().rstrip("="),
                                 {"referencePolicyId": f"{self.id}/{d}", "complianceState": "Compliant"}) for d in f.documents()], True
            case ["apis"]:
                return [e for e in f.list("apis") if e["properties"]["isCurrent"]], True
            case ["gateways", name, "apis"]:
                f.entity("gateways", name)
                linked = [a for a in f.names("gateways", name, "apis") if f.properties("apis", a) is not None]
                return [f.entity("apis", a) for a in linked], True
            case ["gateways", name, ("hostnameConfigurations" | "certificateAuthorities") as kind]:
                file = {"hostnameConfigurations": "hostnameConfigurationInformation.json",
                        "certificateAuthorities": "certificateAuthorityInformation.json"}[kind]
                out = []
                for child in f.names("gateways", name, kind):
                    properties = json.loads(f.text("gateways", name, kind, child, file) or "{}").get("properties", {})
                    if "certificateId" in properties:
                        properties["certificateId"] = f.absolute(properties["certificateId"])
                    out.append(f.entity(kind, child, properties, f"gateways/{name}"))
                return out, True
            case ["products", name, ("apis" | "groups") as kind]:
                f.entity("products", name)
                return [f.entity(kind, n) for n in f.names("products", name, kind) if f.properties(kind, n) is not None], True
            case ["apis", api, "revisions"]:
                return f.revisions(api.partition(";rev=")[0]), True
            case ["apis", api, "operations"]:
                f.entity("apis", api)
                return [f.entity("operations", o["name"], o["properties"], f"apis/{api}") for o in f.operations(api)[0]], True
            case ["apis", api, "operations", name]:
                found = [o for o in f.operations(api)[0] if o["name"].lower() == name.lower()]
                if not found:
                    raise not_found("Operation")
                return f.entity("operations", found[0]["name"], found[0]["properties"], f"apis/{api}"), False
            case ["apis", api, "schemas"]:
                return [f.entity("schemas", n, p, f"apis/{api}") for n, p in f.operations(api)[1].items()], True
            case ["apis", api, "schemas", name]:
                schemas = f.operations(api)[1]
                if name not in schemas:
                    raise not_found("Schema")
                return f.entity("schemas", name, schemas[name], f"apis/{api}"), False
            case ["apis", api, ("diagnostics" | "releases" | "tags") as kind]:
                f.entity("apis", api)
                return [], True
            case [*scope, "policies"]:
                return [f.document("/".join([*scope, "policies", "policy"]), False)] if f.text(*scope, "policy.xml") is not None else [], True
            case [*scope, "policies", "policy"]:
                return f.document("/".join(parts), raw), False
            case ["policyFragments"]:
                return [self.fragment(f, n, False) for n in f.names("policy fragments")], True
            case ["policyFragments", name]:
                return self.fragment(f, name, raw), False
            case ["apis", api]:
                name, _, revision = api.partition(";rev=")
                if revision and f.properties("apis", api) is None and (f.properties("apis", name) or {}).get("apiRevision") == revision:
                    api = name
                return f.entity("apis", api), False
            case [kind] if kind in Folder.KINDS:
                return f.list(kind), True
            case [kind, name] if kind in Folder.KINDS:
                return f.entity(kind, name), False
        raise not_found("Path")

    def fragment(self, f, name, raw):
        text, information = f.text("policy fragments", name, "policy.xml"), f.properties("policyFragments", name)
        if text is None or information is None:
            raise not_found("Fragment")
        entity = f.policy(name, text, raw, "", "policyFragments")
        entity["properties"].update(information)
        return entity

    def act(self, parts):
        """POST."""
        f, secrets = self.folder(), self.secrets()
        match parts:
            case ["subscriptions", name, "listSecrets"]:
                entity = f.entity("subscriptions", name)
                keys = secrets.get("subscriptions", {}).get(name, [None, None])
                return dict(entity["properties"], primaryKey=keys[0], secondaryKey=keys[1] if len(keys) > 1 else None)
            case ["namedValues", name, "listValue"]:
                properties = f.entity("namedValues", name)["properties"]
                if "keyVault" in properties:
                    vault = properties["keyVault"]["secretIdentifier"].rstrip("/").rsplit("/", 1)[1]
                    return {"value": secrets.get("vault", {}).get(vault, {}).get("value", "")}
                return {"value": secrets.get("namedValues", {}).get(name, properties.get("value", ""))}
            case ["gateways", name, "listKeys"]:
                f.entity("gateways", name)
                keys = secrets.get("gateways", {}).get(name, ["cHJpbWFyeQ==", "c2Vjb25kYXJ5"])
                return {"primary": keys[0], "secondary": keys[1]}
        raise not_found("Action")

    def vault(self, parts, version):
        if version not in ("7.4", "7.5", "7.6", "2025-07-01"):
            raise Fault(400, "BadParameter", f"api-version `{version}` is not known here")
        kind, name = parts[0], parts[1]
        held = self.secrets().get("vault", {}).get(name)
        if held is None:
            raise Fault(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        version = hashlib.sha256(held["value"].encode()).hexdigest()[:32]
        base = f"https://{self.config['name'] or 'localhost'}:{self.config['port']}"
        attributes = {"enabled": True, "created": 1700000000, "updated": 1700000000, "recoveryLevel": "Recoverable"}
        if kind == "secrets":
            return {"value": held["value"], "contentType": held.get("contentType", "text/plain"), "id": f"{base}/secrets/{name}/{version}", "attributes": attributes}
        if kind == "certificates":
            der = base64.b64encode(certificate_of(held["value"])).decode()
            return {"id": f"{base}/certificates/{name}/{version}", "sid": f"{base}/secrets/{name}/{version}", "kid": f"{base}/keys/{name}/{version}",
                    "x5t": base64.urlsafe_b64encode(hashlib.sha1(base64.b64decode(der)).digest()).decode().rstrip("="), "cer": der, "attributes": attributes}
        raise Fault(404, "NotFound", kind)

    # Tokens

    def sign_in(self, tenant, form):
        def refuse(code, message):
            body = {"error": "invalid_client", "error_description": f"AADSTS{code}: {message}\r\nTrace ID: {uuid.uuid4()}", "error_codes": [code]}
            fault = Fault(401, "", "")
            fault.body = body
            return fault

        if tenant.lower() != self.config["tenant"]:
            raise refuse(90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise refuse(70003, "The app requested an unsupported grant type.")
        client = self.config["clients"].get(form.get("client_id", ""))
        if client is None:
            raise refuse(700016, f"Application with identifier '{form.get('client_id')}' was not found in the directory.")
        scope = form.get("scope", "")
        if not scope.endswith("/.default"):
            raise refuse(1002012, f"The provided value for scope {scope} is not valid.")
        if "client_assertion" in form:
            if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
                raise refuse(50027, "Invalid client assertion type.")
            if client.get("federated") is not None and form["client_assertion"] == client["federated"]:
                return self.token(scope.removesuffix("/.default"))
            if not client.get("certificate") or not verified(form["client_assertion"], client["certificate"], form["client_id"], tenant):
                raise refuse(700027, "Client assertion failed signature validation.")
        elif not client.get("secret") or form.get("client_secret") != client["secret"]:
            raise refuse(7000215, "Invalid client secret provided.")
        return self.token(scope.removesuffix("/.default"))

    def machine(self, query, headers):
        if headers.get("Metadata") != "true" or "X-Forwarded-For" in headers:
            fault = Fault(400, "", "")
            fault.body = {"error": "invalid_request", "error_description": "Required metadata header not specified"}
            raise fault
        return self.numbers_as_text(self.token(query["resource"]))

    def arc(self, query, headers):
        folder = self.config["arc_folder"]
        if not folder:
            raise not_found()
        sent = headers.get("Authorization")
        if not sent:
            path = os.path.join(folder, f"{uuid.uuid4()}.key")
            with open(path, "w", encoding="utf-8") as file:
                file.write(uuid.uuid4().hex)
            raise Fault(401, "Unauthorized", "challenge", {"WWW-Authenticate": f"Basic realm={path}"})
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                if sent == f"Basic {file.read()}":
                    return self.numbers_as_text(self.token(query["resource"]))
        raise Fault(401, "Unauthorized", "wrong challenge")

    @staticmethod
    def numbers_as_text(token):
        end = int(time.time()) + token["expires_in"]
        return {"access_token": token["access_token"], "expires_in": str(token["expires_in"]), "expires_on": str(end), "token_type": "Bearer"}


def certificate_of(value):
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

    if "-----BEGIN" in value:
        return x509.load_pem_x509_certificate(value.encode()).public_bytes(Encoding.DER)
    return pkcs12.load_key_and_certificates(base64.b64decode(value), b"")[1].public_bytes(Encoding.DER)


def verified(assertion, certificate, client, tenant):
    """RFC 7523 and the page on certificate credentials: algorithm, thumbprint, signature, claims."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    def decode(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    try:
        head, body, signature = assertion.split(".")
        header, claims = json.loads(decode(head)), json.loads(decode(body))
        with open(certificate, "rb") as file:
            known = x509.load_pem_x509_certificate(file.read())
        thumbprints = {"x5t": known.fingerprint(hashes.SHA1()), "x5t#S256": known.fingerprint(hashes.SHA256())}
        if not any(key in header and decode(header[key]) == value for key, value in thumbprints.items()):
            return False
        schemes = {"RS256": padding.PKCS1v15(), "PS256": padding.PSS(padding.MGF1(hashes.SHA256()), 32)}
        known.public_key().verify(decode(signature), f"{head}.{body}".encode(), schemes[header["alg"]], hashes.SHA256())
        now = time.time()
        return (claims["iss"] == claims["sub"] == client and claims["aud"].endswith(f"/{tenant}/oauth2/v2.0/token")
                and claims.get("nbf", claims.get("iat", 0)) <= now + 60 and now < claims["exp"] <= now + 3600 and claims["jti"])
    except (ValueError, KeyError, InvalidSignature):
        return False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "arm-stand-in"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.handle_one()

    do_HEAD = do_POST = do_GET

    def handle_one(self):
        service = self.server.service
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode() if length else ""
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        query = {k.replace("%24", "$"): v for k, v in query.items()}
        try:
            status, headers, answer = self.answer(service, url.path, query, body)
        except Fault as fault:
            status, headers, answer = fault.status, fault.headers, fault.body
        except BrokenPipeError:
            return
        payload = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("x-stand-in", "this is a stand-in for tests and not Azure")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def answer(self, service, path, query, body):
        parts = [urllib.parse.unquote(p) for p in path.split("/") if p]
        match [self.command, *parts]:
            case ["GET", "stand-in"]:
                return 200, {}, service.report()
            case ["POST", "stand-in"]:
                service.control(json.loads(body))
                return 200, {}, {}
            case ["GET", "metadata", "identity", "oauth2", "token"]:
                if query.get("api-version") != "2018-02-01":
                    return 200, {}, service.arc(query, self.headers)
                return 200, {}, service.machine(query, self.headers)
            case ["POST", tenant, "oauth2", "v2.0", "token"]:
                return 200, {}, service.sign_in(tenant, dict(urllib.parse.parse_qsl(body)))
            case ["GET", tenant, "v2.0", ".well-known", "openid-configuration"]:
                base = f"https://{self.headers['Host']}/{tenant}"
                return 200, {}, {"issuer": f"{base}/v2.0", "token_endpoint": f"{base}/oauth2/v2.0/token",
                                 "authorization_endpoint": f"{base}/oauth2/v2.0/authorize", "jwks_uri": f"{base}/keys"}
            case ["GET", ("secrets" | "certificates"), _, *_]:
                return self.vault(service, parts, query)
        return self.management(service, path, parts, query)

    def vault(self, service, parts, query):
        host = self.headers["Host"]
        if not self.headers.get("Authorization"):
            challenge = f'Bearer authorization="https://{host}/{service.config["tenant"]}", resource="https://vault.azure.net"'
            raise Fault(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.", {"WWW-Authenticate": challenge})
        service.admit(self.headers.get("Authorization"), {"https://vault.azure.net"})
        self.refused(service, "vault/" + "/".join(parts))
        return 200, {}, service.vault(parts, query.get("api-version", ""))

    def management(self, service, path, parts, query):
        service.admit(self.headers.get("Authorization"), {"https://management.azure.com", "https://management.core.windows.net"})
        version = query.get("api-version")
        if version is None:
            raise Fault(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
        if version not in VERSIONS:
            raise Fault(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid. The supported versions are '{','.join(VERSIONS)}'.")
        prefix = [p for p in service.id.split("/") if p]
        if [p.lower() for p in parts[:len(prefix)]] != [p.lower() for p in prefix]:
            if [p.lower() for p in parts[:4]] != [p.lower() for p in prefix[:4]]:
                raise Fault(404, "ResourceGroupNotFound", "Resource group could not be found.")
            raise Fault(404, "ResourceNotFound", "The Resource 'Microsoft.ApiManagement/service' under resource group was not found.")
        below = parts[len(prefix):]
        what = f"{self.command} {'/'.join(below)}"
        with service.lock:
            service.asked[what] = service.asked.get(what, 0) + 1
        left = {"x-ms-ratelimit-remaining-subscription-reads": str(service.draw()), "x-ms-request-id": str(uuid.uuid4())}
        self.refused(service, "/".join(below))
        if self.command == "POST":
            return 200, left, service.act(below)
        found, is_list = service.read(below, query)
        if is_list:
            return 200, left, self.page(service, found, path, query)
        tag = base64.b64encode(hashlib.sha256(json.dumps(found, sort_keys=True).encode()).digest()[:9]).decode()
        return 200, {**left, "ETag": f'"{tag}"'}, found

    def page(self, service, items, path, query):
        top, skip = int(query.get("$top", service.config["page"])), int(query.get("$skip", 0))
        if top < 1 or skip < 0:
            raise Fault(400, "ValidationError", "One or more fields contain incorrect values:", details=[
                {"code": "ValidationError", "target": "$top", "message": "Value should be at least 1"}])
        out = {"value": items[skip:skip + top], "count": len(items)}
        if skip + top < len(items) and "$top" not in query:
            scheme = "https" if service.config["certificate"] else "http"
            more = urllib.parse.urlencode({**query, "$skip": skip + top})
            out["nextLink"] = f"{scheme}://{self.headers['Host']}{path}?{more}"
        return out

    def refused(self, service, what):
        for pattern in service.behaviour["deny"]:
            if re.fullmatch(pattern, what):
                raise Fault(403, "AuthorizationFailed", f"The client 'stand-in' does not have authorization to perform action over scope '{what}'.")
        for rule in service.behaviour["fail"]:
            if re.fullmatch(rule["path"], what):
                raise Fault(rule["status"], rule.get("code", "InternalServerError"), "The stand-in was told to fail.")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


def main():
    config = {**DEFAULTS, **json.loads(sys.argv[1])}
    server = Server((config["address"], config["port"]), Handler)
    config["port"] = server.server_address[1]
    server.service = Service(config)
    if config["certificate"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(config["certificate"], config["key"])
        # Handshakes belong to the connection's own thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(json.dumps({"port": config["port"], "stand-in": "not Azure"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
