#!/usr/bin/env python3
"""The container, compose and Helm files fit the program: its settings, ports, probes and user."""

import itertools
import json
import pathlib
import re
import unittest

import yaml

import chart

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "entente"
CONFIG = (ROOT / "coordinator" / "config.cpp").read_text()
SETTINGS = set(re.findall(r'"(ENTENTE_[A-Z_]+)"', CONFIG))
CLIENT = (ROOT / "participant-sdk" / "src" / "client" / "token_file.cpp").read_text()
CLIENT_SETTINGS = set(re.findall(r'"(ENTENTE_[A-Z_]+)"', CLIENT))
DOCKERFILE = (ROOT / "deploy" / "container" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())


def values(**changes):
    changes.setdefault("allowParticipants", ["*"])
    base = yaml.safe_load((CHART / "values.yaml").read_text())
    base["store"] = {**base["store"], **changes.pop("store", {})}
    return {**base, **changes}


def manifests(given):
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    scope = {".": {"Values": given, "Release": {"Name": "en", "Namespace": "ops"},
                   "Chart": {"AppVersion": about["appVersion"]}}}
    found = {}
    for path in sorted((CHART / "templates").glob("*.yaml")):
        for document in yaml.safe_load_all(chart.render(chart.parse(path.read_text()), scope)):
            if document:
                found[document["kind"], document["metadata"]["name"]] = document
    return found


def all_values():
    for kind, grpc, more in itertools.product(("sqlite", "postgres"), (False, True), (0, 1)):
        changes = {"allowHosts": ["api.example.org"], "allowEnv": ["A", "B"], "tolerations": [{"key": "x"}],
                   "allowParticipants": ["https://a.example.org"], "env": [{"name": "A", "value": "1: {"}],
                   "nodeSelector": {"disk": "fast"}, "clients": {"role": "api"},
                   "tls": {"secret": "certificate"}} if more else {}
        yield values(store={"kind": kind, "storageClass": "fast" if more else ""}, grpc=grpc, **changes)


class Chart(unittest.TestCase):
    def container(self, given):
        return manifests(given)["StatefulSet", "en"]["spec"]["template"]["spec"]["containers"][0]

    def test_every_combination_is_valid(self):
        for given in all_values():
            found = manifests(given)
            postgres = given["store"]["kind"] == "postgres"
            self.assertEqual(postgres, ("PodDisruptionBudget", "en") in found)
            spec = found["StatefulSet", "en"]["spec"]
            self.assertEqual(given["replicas"] if postgres else 1, spec["replicas"])
            self.assertEqual(not postgres, "volumeClaimTemplates" in spec)
            names = {one["name"] for one in spec["template"]["spec"]["volumes"] + spec.get("volumeClaimTemplates", [{
                "name": "data"}]) if "name" in one} | {"data"}
            container = spec["template"]["spec"]["containers"][0]
            self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, names)

    def test_settings_are_the_programs(self):
        for given in all_values():
            named = {one["name"] for one in self.container(given)["env"] if one["name"].startswith("ENTENTE_")}
            self.assertEqual(set(), named - SETTINGS)

    def test_what_is_given_arrives(self):
        env = {one["name"]: one.get("value") for one in self.container(
            values(allowHosts=["h"], allowEnv=["A", "B"], env=[{"name": "A", "value": "1: {"}]))["env"]}
        self.assertEqual("en,en.ops,en.ops.svc,h", env["ENTENTE_ALLOW_HOST"])
        self.assertEqual(("A,B", "1: {", "off"), (env["ENTENTE_ALLOW_ENV"], env["A"], env["ENTENTE_GRPC"]))

    def test_probes_come_under_a_name_that_is_known(self):
        for given in all_values():
            container = self.container(given)
            ports = {port["name"] for port in container["ports"]}
            for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
                get = container[probe]["httpGet"]
                self.assertEqual((path, [{"name": "Host", "value": "localhost"}]), (get["path"], get["httpHeaders"]))
                self.assertEqual("HTTPS" if given["tls"]["secret"] else None, get.get("scheme"))
                self.assertIn(get["port"], ports)

    def test_services_and_the_budget_find_the_pods(self):
        for given in all_values():
            found = manifests(given)
            pods = found["StatefulSet", "en"]["spec"]["template"]
            labels = pods["metadata"]["labels"]
            ports = {port["name"] for port in pods["spec"]["containers"][0]["ports"]}
            for (kind, _), document in found.items():
                selector = document["spec"].get("podSelector") or document["spec"]["selector"]
                self.assertEqual(labels, selector.get("matchLabels", selector), kind)
                self.assertLessEqual({port["targetPort"] for port in document["spec"].get("ports", [])}, ports)
                for rule in document["spec"].get("ingress", []):
                    self.assertLessEqual({port["port"] for port in rule["ports"]}, ports)

    def test_only_those_named_may_connect(self):
        def allowed(given):
            return [rule["from"][0]["podSelector"]["matchLabels"]
                    for rule in manifests(given)["NetworkPolicy", "en"]["spec"]["ingress"]]
        own = {"app.kubernetes.io/name": "entente", "app.kubernetes.io/instance": "en"}
        self.assertEqual([own], allowed(values()))
        self.assertEqual([own, {"role": "api"}], allowed(values(clients={"role": "api"})))

    def test_who_may_be_called_has_to_be_said(self):
        schema = json.loads((CHART / "values.schema.json").read_text())
        self.assertIn("allowParticipants", schema["required"])
        self.assertGreaterEqual(schema["properties"]["allowParticipants"]["minItems"], 1)
        for given in all_values():
            env = {one["name"]: one.get("value") for one in self.container(given)["env"]}
            self.assertEqual(",".join(given["allowParticipants"]), env["ENTENTE_ALLOW_PARTICIPANTS"])
            self.assertNotIn("ENTENTE_AUTH", env)  # Bound to all addresses, it asks.

    def test_the_certificate_is_where_it_is_looked_for(self):
        for secret in ("", "certificate"):
            found = manifests(values(tls={"secret": secret}))["StatefulSet", "en"]["spec"]["template"]["spec"]
            container = found["containers"][0]
            files = [one["value"] for one in container["env"] if one["name"].startswith("ENTENTE_LISTEN_TLS_")]
            mounts = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "tls"]
            secrets = [one["secret"]["secretName"] for one in found["volumes"] if one["name"] == "tls"]
            self.assertEqual([secret] if secret else [], secrets)
            self.assertEqual([f"{mount}/{name}" for mount in mounts for name in ("tls.crt", "tls.key")], files)

    def test_it_drains_before_it_is_killed_and_has_no_rights(self):
        for given in all_values():
            spec = manifests(given)["StatefulSet", "en"]["spec"]["template"]["spec"]
            self.assertGreater(spec["terminationGracePeriodSeconds"], int(given["drainGrace"][:-1]))
            self.assertTrue(spec["securityContext"]["runAsNonRoot"])
            container = spec["containers"][0]["securityContext"]
            self.assertEqual((False, True, ["ALL"]), (container["allowPrivilegeEscalation"],
                                                      container["readOnlyRootFilesystem"], container["capabilities"]["drop"]))

    def test_the_schema_names_every_value_and_no_other(self):
        def check(schema, given, where):
            if schema.get("additionalProperties") is False:
                self.assertEqual(set(schema["properties"]), set(given), where)
                for name, inner in schema["properties"].items():
                    check(inner, given[name], f"{where}.{name}")
            if "pattern" in schema:
                self.assertRegex(given, schema["pattern"], where)
            if "enum" in schema:
                self.assertIn(given, schema["enum"], where)

        check(json.loads((CHART / "values.schema.json").read_text()), values(), "values")

    def test_templates_keep_to_what_is_rendered_here(self):
        with self.assertRaises(chart.Unknown):
            chart.render(chart.parse("{{ .Values.misspelt }}"), {".": {"Values": {}}})
        with self.assertRaises(chart.Unknown):
            chart.parse("{{ if .Values.a }}")


class Container(unittest.TestCase):
    def test_it_runs_as_nobody_in_particular(self):
        for stage in re.split(r"^FROM .* AS ", DOCKERFILE, flags=re.MULTILINE)[1:]:
            if stage.split()[0] in ("travel", "coordinator"):
                self.assertIn("USER 10001:10001", stage)

    def test_its_environment_is_the_programs(self):
        self.assertLessEqual(set(re.findall(r"ENTENTE_[A-Z_]+", DOCKERFILE)), SETTINGS)

    def test_what_it_takes_from_the_build_is_built(self):
        travel = (ROOT / "examples" / "travel" / "CMakeLists.txt").read_text()
        for name in set(re.findall(r"build/travel-(\w+)", DOCKERFILE)):
            self.assertIn(name, travel)


class Compose(unittest.TestCase):
    def nodes(self):
        return {name: one for name, one in COMPOSE["services"].items() if name.startswith("node")}

    def test_nodes_differ_in_their_names_alone(self):
        self.assertEqual(3, len(self.nodes()))
        for name, node in self.nodes().items():
            self.assertEqual(f"{name}:7070", node["environment"]["ENTENTE_CLUSTER_ADVERTISE"])
            self.assertLessEqual({key for key in node["environment"] if key.startswith("ENTENTE_")},
                                 SETTINGS | CLIENT_SETTINGS)
            allowed = node["environment"]["ENTENTE_ALLOW_PARTICIPANTS"].split(",")
            self.assertNotIn("ENTENTE_AUTH", node["environment"])
            for variable in node["environment"]["ENTENTE_ALLOW_ENV"].split(","):
                service, port = re.fullmatch(r"(?:http://)?(\w+):(\d+)", node["environment"][variable]).groups()
                self.assertIn(f"0.0.0.0:{port}", COMPOSE["services"][service]["command"])
                self.assertIn(f"{service}:{port}", allowed)

    def test_the_agencys_definitions_find_what_they_ask_for(self):
        given = COMPOSE["services"]["node1"]["environment"]
        wanted = re.findall(r"env\.(\w+)", (ROOT / "examples/travel/definitions/travel-booking.json").read_text())
        self.assertTrue(wanted)
        self.assertLessEqual(set(wanted), set(given["ENTENTE_ALLOW_ENV"].split(",")))

    def test_the_first_token_is_shown_by_the_commands_beside_it(self):
        node = COMPOSE["services"]["node1"]
        self.assertEqual(node["environment"]["ENTENTE_ADMIN_TOKEN_FILE"], node["environment"]["ENTENTE_TOKEN_FILE"])
        kept = [volume.split(":")[1] for volume in node["volumes"]]
        self.assertIn(str(pathlib.PurePosixPath(node["environment"]["ENTENTE_TOKEN_FILE"]).parent), kept)
        for name in ("node2", "node3"):
            self.assertIn("node1", COMPOSE["services"][name]["depends_on"])

    def test_nothing_is_published_beyond_this_machine(self):
        for service in COMPOSE["services"].values():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_targets_are_stages(self):
        for service in COMPOSE["services"].values():
            target = service.get("build", {}).get("target")
            self.assertTrue(target is None or f"AS {target}\n" in DOCKERFILE)


if __name__ == "__main__":
    unittest.main()
