"""Microsoft's own SDKs read the stand-in and find what the folder holds: azure-mgmt-apimanagement, azure-identity,
azure-keyvault-secrets, azure-keyvault-certificates. Whatever differs is an error of the stand-in.

Argument: one JSON object: port, folder, secrets, tenant, client, secret, certificate (PEM with key), federated, page,
subscription, group, service. Prints `AGREED <comparisons>` or fails.
"""

import json
import os
import sys
import tempfile

import yaml
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import CertificateCredential, ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from azure.keyvault.certificates import CertificateClient
from azure.keyvault.secrets import SecretClient
from azure.mgmt.apimanagement import ApiManagementClient

GIVEN = json.loads(sys.argv[1])
HOST = f"localhost:{GIVEN['port']}"
AT = (GIVEN["group"], GIVEN["service"])
COUNT = 0


def same(what, found, expected):
    global COUNT
    COUNT += 1
    if found != expected:
        raise SystemExit(f"{what}: the SDK found {found!r}, the folder has {expected!r}")


def fails(what, kind, call):
    global COUNT
    COUNT += 1
    try:
        call()
    except kind as error:
        return error
    raise SystemExit(f"{what}: expected {kind.__name__}")


def folder(*parts):
    path = os.path.join(GIVEN["folder"], *parts)
    return sorted(n for n in os.listdir(path)) if os.path.isdir(path) else []


def text(*parts):
    with open(os.path.join(GIVEN["folder"], *parts), encoding="utf-8", newline="") as file:
        return file.read()


def information(*parts):
    return json.loads(text(*parts))["properties"]


def has(*parts):
    return os.path.exists(os.path.join(GIVEN["folder"], *parts))


def names(items):
    return sorted(item.name for item in items)


def tail(value):
    """Ids are full in answers and short in folders."""
    return None if value is None else "/".join(str(value).rsplit("/", 2)[-2:])


def credentials():
    common = {"authority": f"https://{HOST}", "disable_instance_discovery": True}
    tenant, client = GIVEN["tenant"], GIVEN["client"]
    yield ClientSecretCredential(tenant, client, GIVEN["secret"], **common)
    yield CertificateCredential(tenant, client, GIVEN["certificate"], **common)
    with tempfile.NamedTemporaryFile("w", suffix=".token", delete=False) as file:
        file.write(GIVEN["federated"])
    yield WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=file.name, **common)
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = f"https://{HOST}"
    yield ManagedIdentityCredential()


def management(credential):
    return ApiManagementClient(credential, GIVEN["subscription"], base_url=f"https://{HOST}",
                               credential_scopes=["https://management.azure.com/.default"], retry_total=0)


def service(api):
    same("service", api.api_management_service.get(*AT).name, GIVEN["service"])
    for group, kind, file in (
        (api.product, "products", "productInformation.json"),
        (api.backend, "backends", "backendInformation.json"),
        (api.named_value, "named values", "namedValueInformation.json"),
        (api.subscription, "subscriptions", "subscriptionInformation.json"),
        (api.api_version_set, "version sets", "versionSetInformation.json"),
        (api.gateway, "gateways", "gatewayInformation.json"),
        (api.policy_fragment, "policy fragments", "policyFragmentInformation.json"),
    ):
        listing = getattr(group, "list_by_service", None) or group.list
        found = {item.name: item for item in listing(*AT)}
        same(kind, sorted(found), [n for n in folder(kind) if has(kind, n, file)])
        for name, item in found.items():
            for key, value in information(kind, name, file).items():
                attribute = attribute_of(item, key)
                if key in ("scope", "apiVersionSetId"):
                    attribute, value = tail(attribute), tail(value)
                if key in ("primaryKey", "secondaryKey", "keyVault", "locationData", "tls", "credentials", "pool", "circuitBreaker"):
                    continue
                same(f"{kind}/{name}.{key}", plain(attribute), value)


def attribute_of(item, key):
    snake = "".join("_" + c.lower() if c.isupper() else c for c in key)
    for holder in (item, getattr(item, "properties", None)):
        if holder is not None and hasattr(holder, snake):
            return getattr(holder, snake)
    raise SystemExit(f"{type(item).__name__} has no {snake}")


def plain(value):
    return getattr(value, "value", value)


def apis(api):
    listed = names(api.api.list_by_service(*AT))
    same("apis", listed, [n for n in folder("apis") if ";rev=" not in n])
    for name in listed:
        item = api.api.get(*AT, name)
        for key in ("displayName", "path", "serviceUrl", "subscriptionRequired", "apiRevision", "isCurrent", "apiVersion"):
            expected = information("apis", name, "apiInformation.json").get(key)
            if expected is not None:
                same(f"apis/{name}.{key}", attribute_of(item, key), expected)
        described = yaml.safe_load(text("apis", name, "specification.yaml"))
        expected = sorted((m.upper(), p, o["operationId"], o["summary"]) for p, i in described["paths"].items() for m, o in i.items())
        found = sorted((o.method, o.url_template, o.name, o.display_name) for o in api.api_operation.list_by_api(*AT, name))
        same(f"apis/{name}/operations", found, expected)
        for operation in [o[2] for o in expected]:
            policy(f"apis/{name}/operations/{operation}", ["apis", name, "operations", operation, "policy.xml"],
                   lambda form: api.api_operation_policy.get(*AT, name, operation, "policy", format=form))
        policy(f"apis/{name}", ["apis", name, "policy.xml"], lambda form: api.api_policy.get(*AT, name, "policy", format=form))
        same(f"apis/{name}/revisions", [r.api_revision for r in api.api_revision.list_by_service(*AT, name)], ["1"])
    for product in folder("products"):
        same(f"products/{product}/apis", names(api.product_api.list_by_product(*AT, product)), folder("products", product, "apis"))
        policy(f"products/{product}", ["products", product, "policy.xml"], lambda form: api.product_policy.get(*AT, product, "policy", format=form))
    for gateway in folder("gateways"):
        same(f"gateways/{gateway}/apis", names(api.gateway_api.list_by_service(*AT, gateway)), folder("gateways", gateway, "apis"))
        same("gateway keys", bool(api.gateway.list_keys(*AT, gateway).primary), True)
    policy("global", ["policy.xml"], lambda form: api.policy.get(*AT, "policy", format=form))
    for fragment in folder("policy fragments"):
        item = api.policy_fragment.get(*AT, fragment, format="rawxml")
        same(f"fragment {fragment}", attribute_of(item, "value"), text("policy fragments", fragment, "policy.xml"))


def policy(what, path, get):
    if not has(*path):
        fails(f"policy of {what}", ResourceNotFoundError, lambda: get("rawxml"))
        return
    found = get("rawxml")
    same(f"policy of {what}", attribute_of(found, "value"), text(*path))
    same(f"form of {what}", plain(attribute_of(found, "format")), "rawxml")
    same(f"default form of {what}", plain(attribute_of(get("xml"), "format")), "xml")


def tags(api):
    fails("tag of nothing", ResourceNotFoundError, lambda: api.api.get_entity_tag(*AT, "no-such-api"))
    same("tag of an API", api.api.get_entity_tag(*AT, "echo"), True)
    documents = list(api.all_policies.list_by_service(*AT))
    expected = sum(file == "policy.xml" and "fragments" not in at for at, _, files in os.walk(GIVEN["folder"]) for file in files)
    same("allPolicies", len(documents), expected)


def secrets(api):
    with open(GIVEN["secrets"], encoding="utf-8") as file:
        held = json.load(file)
    for name, keys in held["subscriptions"].items():
        found = api.subscription.list_secrets(*AT, name)
        same(f"keys of {name}", [found.primary_key, found.secondary_key], (keys + [None])[:2])
    for name, value in held["namedValues"].items():
        same(f"value of {name}", api.named_value.list_value(*AT, name).value, value)
        same(f"named value {name} hides it", attribute_of(api.named_value.get(*AT, name), "value"), None)
    return held["vault"]


def vault(credential, held):
    url = f"https://{HOST}"
    common = {"verify_challenge_resource": False}
    client = SecretClient(url, credential, api_version="7.4", **common)
    for name, secret in held.items():
        found = client.get_secret(name)
        same(f"vault {name}", (found.value, found.properties.content_type), (secret["value"], secret["contentType"]))
        if "x-p" in secret["contentType"]:
            certificate = CertificateClient(url, credential, api_version="7.4", **common).get_certificate(name)
            same(f"certificate {name}", len(certificate.cer) > 100, True)
    fails("vault", ResourceNotFoundError, lambda: client.get_secret("no-such-secret"))


def errors(api, credential):
    error = fails("absent", ResourceNotFoundError, lambda: api.backend.get(*AT, "nothing"))
    same("code of absent", error.error.code, "ResourceNotFound")
    wrong = ClientSecretCredential(GIVEN["tenant"], GIVEN["client"], "wrong", authority=f"https://{HOST}", disable_instance_discovery=True)
    error = fails("wrong secret", ClientAuthenticationError, lambda: wrong.get_token("https://management.azure.com/.default"))
    same("reason of wrong secret", "AADSTS7000215" in str(error), True)
    other = ApiManagementClient(credential, GIVEN["subscription"], base_url=f"https://{HOST}",
                                credential_scopes=["https://graph.microsoft.com/.default"], retry_total=0)
    fails("wrong audience", ClientAuthenticationError, lambda: other.backend.get(*AT, "nothing"))
    old = ApiManagementClient(credential, GIVEN["subscription"], base_url=f"https://{HOST}", api_version="2010-01-01",
                              credential_scopes=["https://management.azure.com/.default"], retry_total=0)
    error = fails("old version", HttpResponseError, lambda: old.backend.get(*AT, "nothing"))
    same("code of old version", error.error.code, "InvalidApiVersionParameter")


def main():
    held = {}
    for credential in credentials():
        api = management(credential)
        service(api)
        apis(api)
        tags(api)
        held = secrets(api)
        vault(credential, held)
    errors(api, credential)
    print(f"AGREED {COUNT}")


main()
